/**
 * The ABI: every kernel that workers can call, by name. A kernel writes its outputs for the items
 * [begin, end) of its range and nothing else, so any split of the range among workers gives the same bits.
 */

export * from './ada-norm';
export * from './adam';
export * from './adam-w';
export * from './add-gradient';
export { attentionBackward } from './attention/backward';
export { attention } from './attention/forward';
export * from './barrier';
export { barrier } from './barrier';
export * from './batch-norm';
export * from './channels';
export * from './column-sums';
export * from './crop';
export * from './ddim';
export { dense, denseWeights } from './dense';
export * from './dense-blocks';
export * from './derive-weights';
export * from './dropout';
export * from './ema';
export * from './embedding';
export { powersOfTwo } from './exp';
export * from './gate';
export { gaussian, gaussianFrom, gaussianImages } from './gaussian';
export { gelu, geluBackward } from './gelu';
export * from './gradient-norm';
export {
  groupNormApply,
  groupNormFinish,
  groupNormMoments,
} from './group-norm';
export * from './group-norm-backward';
export * from './group-norm-backward-apply';
export * from './image-limits';
export * from './image-loss';
export * from './image-shift';
export * from './loss';
export * from './muon';
export { muonMatrices } from './muon-matrices';
export * from './normalize';
export * from './p-sample';
export * from './patches';
export { philox } from './philox';
export * from './positions';
export * from './q-sample';
export * from './relu';
export * from './resample';
export * from './resize';
export * from './scale-shift';
export { silu, siluBackward } from './silu';
export * from './table-step';
export * from './time-embedding';
export { transposeWeights } from './transpose-weights';
export * from './winograd/backward';
export * from './winograd/blocks';
export * from './winograd/index';
export {
  winogradAccumulate,
  winogradGradient,
  winogradGradientDeep,
  winogradInput,
  winogradMultiply,
  winogradMultiplyDeep,
  winogradOutput,
  winogradTurnedGradient,
  winogradWeightGradient,
  winogradWeights,
} from './winograd/index';
/** Not a kernel, but a setting of an instance. */
export { setWide } from './winograd/wide';
