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
export { crop, crop } from './crop';
export { ddimStep, ddimStep } from './ddim';
export { gaussian, gaussian, gaussianImages, gaussianImages } from './gaussian';
export { finishLoss, noiseLoss } from './loss';
export { batchToFloat, batchToFloat, toBytes, toBytes, toFloat, toFloat } from './normalize';
export { pSample, pSample } from './p-sample';
export { philox, philox } from './philox';
export { qSample, qSample, qSampleImages, qSampleImages } from './q-sample';
export { reluBackward } from './relu';
export { resize, resize, resizeTaps, resizeTaps, resizeWeights, resizeWeights } from './resize';
export { timeEmbedding } from './time-embedding';
export { transposeWeights } from './transpose-weights';

  winogradAccumulate,
  winogradGradient,
  winogradInput,
  winogradMultiply,
  winogradOutput,
  winogradWeightGradient,
  winogradWeights,
} from './winograd/index';
