/**
 * The ABI: every kernel the workers can call, by name. A kernel writes its outputs for the items
 * [begin, end) of its range and nothing else, so any split of the range among workers gives the same bits.
 */

// The U-Net
export { adam } from './adam';
export { barrier } from './barrier';
export {
  batchNormApply,
  batchNormBackwardApply,
  batchNormBackwardFinish,
  batchNormBackwardSums,
  batchNormFinish,
  batchNormMoments,
  batchNormRunning,
} from './batch-norm';
export { copyChannels, dropChannels, padChannels } from './channels';
export { columnSums, joinColumnSums } from './column-sums';
export { conv } from './conv';
export { convWeightGradient } from './conv-weights';
export { ddimStep } from './ddim';
export { gaussian, gaussianImages } from './gaussian';
export { finishLoss, noiseLoss } from './loss';
export { pSample } from './p-sample';
export { philox } from './philox';
export { qSample, qSampleImages } from './q-sample';
export { reluBackward } from './relu';
export { timeEmbedding } from './time-embedding';
export { transposeWeights } from './transpose-weights';
