import { hasTraps, lackOfAddressSpace } from '../../machine/address-space.js';
import { memoryRoom } from '../../machine/memory.js';
import { processors } from '../../machine/processors.js';
import type { Host } from './host.js';
import { bestBuild, compile, lackOfWideVectors } from './kernels.js';
import { Pool } from './pool.js';

/** Node: kernels from files, worker threads, and what the operating system allows. */
export const node: Host = {
  processors: () => processors(),
  bestBuild,
  lackOfWideVectors: () => lackOfWideVectors(),
  compile,
  memoryRoom: (threads, reserve) => memoryRoom(threads, reserve),
  reservesAroundMemories: () => hasTraps(),
  lackOfAddressSpace: (wanted) => lackOfAddressSpace(wanted),
  startWorkers: (threads, data) => new Pool(threads, data),
};
