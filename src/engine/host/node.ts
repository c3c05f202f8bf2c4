import { hasTraps, lackOfAddressSpace } from '../../machine/address-space.js';
import { memoryRoom } from '../../machine/memory.js';
import { processors } from '../../machine/processors.js';
import { type Host, MAX_BYTES } from './host.js';
import { bestBuild, compile, lackOfWideVectors, wideByDefault } from './kernels.js';
import { Pool } from './pool.js';

/** Node: kernels from files, worker threads, and the operating system's limits. */
export const host: Host = {
  processors: () => processors(),
  bestBuild,
  plainBuild: () => 'strict',
  lackOfWideVectors: () => lackOfWideVectors(),
  wideByDefault: () => wideByDefault(),
  compile,
  memoryRoom: (threads, reserve) => memoryRoom(threads, reserve),
  mostScratch: () => (hasTraps() ? MAX_BYTES : MAX_BYTES / 2),
  lackOfAddressSpace: (wanted) => lackOfAddressSpace(wanted),
  share: (bytes) => {
    const shared = new SharedArrayBuffer(bytes.byteLength);
    new Uint8Array(shared).set(bytes);
    return shared;
  },
  startWorkers: (threads, data) => new Pool(threads, data),
};
