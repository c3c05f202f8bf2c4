/** The U-Net's passes over its variables: prediction, and forward, loss and backward in training. */
import type { Loss } from '../contracts/device.js';
import { maps, type Plan, planConvolutions } from './algorithm.js';
import { type Statistics, towards } from './layers.js';
import { lossAndGradient } from './loss.js';
import { Tape } from './tape.js';
import { forward, type Norms, type UnetShape, type Weights } from './unet.js';
import { preparedName, type Store, type UnetVariables, unetVariables } from './variables.js';

/** One U-Net on one kind of device. */
export interface Network {
  readonly shape: UnetShape;
  /** Convolutions and norms are left to the GPU's own library. */
  readonly gpu: boolean;
  /** How convolutions are computed in prediction, and in training. */
  readonly prediction: Plan;
  readonly training: Plan;
  readonly variables: UnetVariables;
}

export function makeNetwork(shape: UnetShape, gpu: boolean): Network {
  const prediction = planConvolutions(shape, 'prediction', gpu);
  const training = planConvolutions(shape, 'training', gpu);
  const variables = unetVariables(shape.architecture, prediction);
  return { shape, gpu, prediction, training, variables };
}

/** Weight of the batch in a running statistic: PyTorch's `momentum`. */
const MOMENTUM = 0.1;

/** Brings weights into the form that prediction takes. */
export function prepare<V>({ prediction }: Network, store: Store<V>): void {
  for (const [layer, algorithm] of prediction) {
    if ('direct' in algorithm) continue;
    const weight = store.read(`${layer}.weight`);
    store.assign(preparedName(layer), maps(store.ops, algorithm).weights(weight));
  }
}

/** ε̂ from x_t and the sinusoids, by weights that were prepared. */
export function predict<V>(
  { shape, gpu, prediction }: Network,
  store: Store<V>,
  mode: 'running' | 'batch',
  [xt, embedding]: readonly V[],
): V {
  const norms: Norms<V> =
    mode === 'batch' ? { mode, gpu } : { mode, running: (name) => runningStatistics(store, name) };
  const weights: Weights<V> = {
    parameter: (name) => store.read(name),
    filter: (layer) => {
      const algorithm = prediction.get(layer)!;
      const name = 'direct' in algorithm ? `${layer}.weight` : preparedName(layer);
      return { maps: maps(store.ops, algorithm), form: store.read(name), parameter: undefined };
    },
  };
  return forward(new Tape(store.ops), shape, weights, norms, xt!, embedding!);
}

/** What a pass in training gives. */
export interface TrainingPass<V> {
  readonly loss: V;
  readonly epsilon: V;
  /** The gradient of a parameter. */
  readonly gradient: (name: string) => V;
}

/** Forward in training mode, loss and backward, from x_t, the sinusoids and ε; moves the running statistics. */
export function trainingPass<V>(
  { shape, gpu, training, variables }: Network,
  store: Store<V>,
  loss: Loss,
  [xt, embedding, noise]: readonly V[],
): TrainingPass<V> {
  const { ops } = store;
  const tape = new Tape(ops);
  const values = new Map(variables.parameters.map(({ name }) => [name, store.read(name)]));
  for (const value of values.values()) tape.watch(value);
  const parameter = (name: string) => values.get(name)!;
  const filter = (layer: string) => {
    const weight = parameter(`${layer}.weight`);
    const ways = maps(ops, training.get(layer)!);
    return { maps: ways, form: ways.weights(weight), parameter: weight };
  };

  const { seen, assign } = movingStatistics(store);
  const norms: Norms<V> = { mode: 'batch', gpu, seen };
  const epsilon = forward(tape, shape, { parameter, filter }, norms, xt!, embedding!);
  assign();

  const count = shape.batch * shape.size ** 2 * shape.architecture.channels;
  const { value, gradient } = lossAndGradient(ops, loss, epsilon, noise!, count);
  tape.backward(epsilon, gradient);
  return { loss: value, epsilon, gradient: (name) => tape.gradient(parameter(name)) };
}

/** Running statistics as a pass moves them, and their assignment when it has. */
function movingStatistics<V>(store: Store<V>) {
  const running = new Map<string, Statistics<V>>();
  const seen = (name: string, batch: Statistics<V>) => {
    // A shared norm is applied twice; its second move starts where the first ended.
    const { mean, variance } = running.get(name) ?? runningStatistics(store, name);
    running.set(name, {
      mean: towards(store.ops, mean, batch.mean, MOMENTUM),
      variance: towards(store.ops, variance, batch.variance, MOMENTUM),
    });
  };
  const assign = () => {
    for (const [name, { mean, variance }] of running) {
      store.assign(`${name}.running_mean`, mean);
      store.assign(`${name}.running_var`, variance);
    }
  };
  return { seen, assign };
}

const runningStatistics = <V>(store: Store<V>, name: string): Statistics<V> => ({
  mean: store.read(`${name}.running_mean`),
  variance: store.read(`${name}.running_var`),
});
