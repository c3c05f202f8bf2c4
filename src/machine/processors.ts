import { availableParallelism } from 'node:os';
import { cgroupProcessors } from './cgroup.js';

/**
 * Processors that this process may use: those it may run on (affinity), and no more than the quota of its control groups
 * pays for. Newer versions of Node count the quota too, Node 20 does not. Of a quota of 1.5 this is 1: a second
 * thread would stand still for half of its time, and the others wait for it.
 */
export function processors(root = '/', available = availableParallelism()): number {
  const quota = cgroupProcessors(root);
  return quota === null ? available : Math.max(1, Math.min(available, Math.floor(quota)));
}
