import { loadedBuild, loadedKernels } from './browser-kernels.js';
import { canShare, processors } from './browser-scope.js';
import { startWorkers } from './browser-workers.js';
import { type Host, MAX_BYTES } from './host.js';

/** Memory limit of single calls: a browser reserves the maximum of a shared memory at once, and a page has little. */
const MOST_SCRATCH = 2 ** 28;

/**
 * A browser, in a Web Worker: kernels loaded before (`loadKernels`), and Web Workers over shared memory if the page is
 * cross-origin isolated. Otherwise memory cannot be shared, and the calling worker computes itself.
 */
export const host: Host = {
  processors,
  bestBuild: loadedBuild,
  plainBuild: loadedBuild,
  lackOfWideVectors: () => 'expected Node, got a browser',
  wideByDefault: () => false,
  compile: (build) => loadedKernels(build),
  memoryRoom: () => ({ bytes: MAX_BYTES }),
  mostScratch: () => MOST_SCRATCH,
  lackOfAddressSpace: () => null,
  share: (bytes) => {
    if (!canShare()) return bytes.slice().buffer;
    const shared = new SharedArrayBuffer(bytes.byteLength);
    new Uint8Array(shared).set(bytes);
    return shared;
  },
  startWorkers,
};
