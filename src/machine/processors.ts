import { availableParallelism } from 'node:os';
import { cgroupProcessors } from './cgroup.js';

/**
 * Processors available to this process: by its affinity, and at most the quota of its control
 * groups. Newer versions of Node count the quota too, Node 20 does not. For a quota of 1.5 this is 1: a second
 * thread would be throttled half of the time, and the others would wait for it.
 */
export function processors(root = '/', available = availableParallelism()): number {
  const quota = cgroupProcessors(root);
  return quota === null ? available : Math.max(1, Math.min(available, Math.floor(quota)));
}
