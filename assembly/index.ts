/**
 * The ABI: every kernel the workers can call, by name. A kernel writes its outputs for the items
 * [begin, end) of its range and nothing else, so any split of the range among workers gives the same bits.
 */
export { barrier } from './barrier';
export { crop } from './crop';
export { ddimStep } from './ddim';
export { gaussian, gaussianImages } from './gaussian';
export { batchToFloat, toBytes, toFloat } from './normalize';
export { pSample } from './p-sample';
export { philox } from './philox';
export { qSample, qSampleImages } from './q-sample';
export { resize, resizeTaps, resizeWeights } from './resize';
