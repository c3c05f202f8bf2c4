/** A network's passes over its variables: prediction, and forward, loss and backward in training. */
import type { Loss } from '../contracts/device.js';
import { type Graph, outputValues } from '../network/graph.js';
import { matrixLayers } from '../network/matrix-layers.js';
import {
  type Algorithm,
  type ConvNode,
  type ConvolutionPlan,
  maps,
  type NetworkShape,
  planConvolutions,
} from './algorithm.js';
import { type Statistics, towards } from './batch-norm.js';
import type { Matrix } from './blocks.js';
import { Fed, type Feed, predictionFeeds, trainingFeeds } from './feeds.js';
import { forward } from './forward.js';
import type { Filter } from './layers.js';
import { lossAndGradient } from './loss.js';
import type { Norms } from './operations.js';
import { Tape } from './tape.js';
import { type NetworkVariables, networkVariables, preparedName, type Store } from './variables.js';

/** One network on one kind of device. */
export interface Network extends NetworkShape {
  /** Whether convolutions and batch norms are left to the GPU's own library. */
  readonly gpu: boolean;
  /** How convolutions are computed in prediction, and in training. */
  readonly prediction: ConvolutionPlan;
  readonly training: ConvolutionPlan;
  readonly variables: NetworkVariables;
  /** The inputs of each. */
  readonly feeds: { readonly prediction: readonly Feed[]; readonly training: readonly Feed[] };
}

export function makeNetwork(
  { graph, batch }: NetworkShape,
  gpu: boolean,
  { averages = 0, weighted = false, muon = false } = {},
): Network {
  const shape = { graph, batch };
  const prediction = planConvolutions(shape, 'prediction', gpu);
  const training = planConvolutions(shape, 'training', gpu);
  const matrices = muon ? matricesOf(graph) : new Map<string, Matrix>();
  const variables = networkVariables(graph, { prediction, averages, matrices, gpu });
  const feeds = { prediction: predictionFeeds(shape), training: trainingFeeds(shape, weighted) };
  return { ...shape, gpu, prediction, training, variables, feeds };
}

/** The weights that Muon updates, by name. */
function matricesOf(graph: Graph): ReadonlyMap<string, Matrix> {
  const names = matrixLayers(graph);
  const layers = graph.layers.filter(({ name }) => names.has(name));
  return new Map(
    layers.map(({ name, kind }) => [`${name}.weight`, { transposed: kind === 'convTranspose' }]),
  );
}

/** Weight of the batch in a running statistic: PyTorch's `momentum`. */
const MOMENTUM = 0.1;

/** Converts weights to the form for prediction. */
export function prepare<V>({ prediction }: Network, store: Store<V>): void {
  const done = new Set<string>();
  for (const [node, algorithm] of prediction) {
    if ('direct' in algorithm) continue;
    const name = preparedName(node, algorithm.lowered);
    if (done.has(name)) continue;
    done.add(name);
    store.assign(name, maps(store.ops, algorithm).weights(store.read(weightName(node))));
  }
}

const weightName = ({ layer }: ConvNode): string => `${layer.name}.weight`;

/** The network's output from its inputs, with prepared weights. */
export function predict<V>(
  { graph, batch, gpu, prediction, feeds }: Network,
  store: Store<V>,
  mode: 'running' | 'batch',
  inputs: readonly V[],
): V {
  const norms: Norms<V> =
    mode === 'batch' ? { mode, gpu } : { mode, running: (name) => runningStatistics(store, name) };
  const parameter = (name: string) => store.read(name);
  const filter = (node: ConvNode): Filter<V> => {
    const algorithm = prediction.get(node)!;
    const form = parameter(formName(node, algorithm));
    return { maps: maps(store.ops, algorithm), form, parameter: undefined };
  };
  const fed = new Fed(feeds.prediction, inputs);
  return forward(graph, {
    ...{ tape: new Tape(store.ops), batch, parameter, filter, norms },
    fed: (node) => fed.of(node)!,
    mask: () => undefined,
  });
}

/** The results of a training pass. */
export interface TrainingPass<V> {
  readonly loss: V;
  /** Each image's own. */
  readonly images: V;
  readonly epsilon: V;
  /** The gradient of a parameter. */
  readonly gradient: (name: string) => V;
}

/** Forward in training mode, loss and backward, from the inputs; updates the running statistics. */
export function trainingPass<V>(
  network: Network,
  store: Store<V>,
  loss: Loss,
  inputs: readonly V[],
): TrainingPass<V> {
  const { graph, batch, gpu, variables, feeds } = network;
  const { ops } = store;
  const tape = new Tape(ops);
  const values = new Map(variables.parameters.map(({ name }) => [name, store.read(name)]));
  for (const value of values.values()) tape.watch(value);
  const parameter = (name: string) => values.get(name)!;

  const fed = new Fed(feeds.training, inputs);
  const { seen, assign } = movingStatistics(store);
  const epsilon = forward(graph, {
    ...{ tape, batch, parameter, filter: trainedFilters(network, store, parameter) },
    norms: { mode: 'batch', gpu, seen },
    fed: (node) => fed.of(node)!,
    mask: (node) => fed.of(node),
  });
  assign();

  const count = batch * outputValues(graph);
  const { noise, weights } = fed;
  const { value, images, gradient } = lossAndGradient(ops, loss, epsilon, noise, count, weights);
  tape.backward(epsilon, gradient);
  return { loss: value, images, epsilon, gradient: (name) => tape.gradient(parameter(name)) };
}

/** Convolution weights in the forms for training; a form that two uses share is computed once. */
function trainedFilters<V>(
  { training }: Network,
  { ops }: Store<V>,
  parameter: (name: string) => V,
): (node: ConvNode) => Filter<V> {
  const forms = new Map<string, V>();
  return (node) => {
    const algorithm = training.get(node)!;
    const weight = parameter(weightName(node));
    const ways = maps(ops, algorithm);
    const key = formName(node, algorithm);
    const form = forms.get(key) ?? ways.weights(weight);
    forms.set(key, form);
    return { maps: ways, form, parameter: weight };
  };
}

/** The name of a convolution's weights in the form for its algorithm. */
const formName = (node: ConvNode, algorithm: Algorithm): string =>
  'direct' in algorithm ? weightName(node) : preparedName(node, algorithm.lowered);

/** Running statistics, updated during a pass and assigned after it. */
function movingStatistics<V>(store: Store<V>) {
  const running = new Map<string, Statistics<V>>();
  const seen = (name: string, batch: Statistics<V>) => {
    // A shared norm is applied twice; its second update starts where the first ended.
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
