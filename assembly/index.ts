/**
 * The ABI: every kernel the workers can call, by name. A kernel writes its outputs for the items
 * [begin, end) of its range and nothing else, so any split of the range among workers gives the same bits.
 */
export { barrier } from './barrier';
export {
  winogradAccumulate,
  winogradGradient,
  winogradGradientDeep,
  winogradInput,
  winogradMultiply,
  winogradMultiplyDeep,
  winogradOutput,
  winogradWeightGradient,
  winogradWeights,
} from './winograd/index';
