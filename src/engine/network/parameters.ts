import { UsageError } from '../../errors.js';
import type { Graph, Layer, Node } from '../../network/graph.js';
import { layerParameters } from '../../network/parameters.js';
import { elements, type StateDict, type Tensor } from '../../network/state.js';
import type { Arena } from '../arena.js';
import type { Pointer } from '../pointer.js';
import { paddedChannels, paddedPlaces } from '../tensors.js';

/**
 * Where each layer's parameters are stored, and the conversion between PyTorch's layouts and the engine's: weights as panels
 * W[outputs/8][tap][inputs][8] with channels padded to multiples of 8 by zeros, which training never changes.
 */
export interface LayerAddresses {
  readonly layer: Layer;
  /** Float offsets into a region (weights, gradients and both of Adam's moments share one layout); -1 for no bias. */
  readonly weight: number;
  readonly bias: number;
  /** Padded input and output channels, and the position of each real one among them. */
  readonly inputs: number;
  readonly outputs: number;
  readonly inputPlaces: readonly number[];
  readonly outputPlaces: readonly number[];
  /** Float offsets into the statistics region; only for BatchNorm. */
  readonly runningMean: number;
  readonly runningVar: number;
}

export interface ParameterLayout {
  readonly layers: ReadonlyMap<string, LayerAddresses>;
  /** Floats of one region. */
  readonly floats: number;
  /** Floats of the running statistics. */
  readonly statistics: number;
}

/** Lays out one region for all parameters, in state_dict order. */
export function layoutParameters({ layers, nodes }: Graph): ParameterLayout {
  const map = new Map<string, LayerAddresses>();
  let floats = 0;
  let statistics = 0;
  for (const layer of layers) {
    const { from, to } = parts(layer, nodes);
    const inputs = paddedChannels(from);
    const outputs = paddedChannels(to);
    const norm = layer.kind === 'batchNorm';
    const weight = floats;
    floats += paddedWeight(layer, inputs, outputs);
    const hasBias = layerParameters(layer).length > 1;
    map.set(layer.name, {
      layer,
      weight,
      bias: hasBias ? floats : -1,
      inputs,
      outputs,
      inputPlaces: paddedPlaces(from),
      outputPlaces: paddedPlaces(to),
      runningMean: norm ? statistics : -1,
      runningVar: norm ? statistics + outputs : -1,
    });
    if (hasBias) floats += outputs;
    if (norm) statistics += 2 * outputs;
  }
  return { layers: map, floats: Math.ceil(floats / 16) * 16, statistics };
}

/** How the input and output channels of a layer are divided, each part padded separately: as where it is first used. */
function parts(
  layer: Layer,
  nodes: readonly Node[],
): { from: readonly number[]; to: readonly number[] } {
  for (const node of nodes)
    if ('layer' in node && node.layer.name === layer.name)
      return { from: 'x' in node ? node.x.parts : [], to: node.out.parts };
  return { from: 'inputs' in layer ? [layer.inputs] : [], to: [layer.outputs] };
}

/** Floats of a layer's weight, as stored. */
export const weightFloats = ({ layer, inputs, outputs }: LayerAddresses): number =>
  paddedWeight(layer, inputs, outputs);

function paddedWeight(layer: Layer, inputs: number, outputs: number): number {
  switch (layer.kind) {
    case 'conv':
    case 'convTranspose':
      return outputs * inputs * layer.kernel ** 2;
    case 'linear':
      return outputs * inputs;
    case 'embedding':
      return layer.classes * outputs;
    case 'batchNorm':
    case 'groupNorm':
      return outputs;
    default:
      return layer satisfies never;
  }
}

/** Regions of shared memory by contents; byte addresses. */
export interface ParameterRegions {
  readonly weights: Pointer;
  readonly statistics: Pointer;
  readonly training?: {
    readonly gradients: Pointer;
    readonly m: Pointer;
    readonly v: Pointer;
    /** Sum of the gradients of several batches; `gradients` itself if there is only one. */
    readonly sum: Pointer;
    readonly averages: readonly Average[];
  };
}

/** An average of the weights and of the running statistics. */
export type Average = Pick<ParameterRegions, 'weights' | 'statistics'>;

/** Regions to keep beside the weights. */
interface Kept {
  readonly training: boolean;
  readonly accumulates: boolean;
  readonly averages: number;
}

export function allocateParameters(
  arena: Arena,
  layout: ParameterLayout,
  { training, accumulates, averages }: Kept,
): ParameterRegions {
  const weights = arena.floats('weights', layout.floats);
  const statistics = arena.floats('weights', layout.statistics);
  if (!training) return { weights, statistics };
  const gradients = arena.floats('gradients', layout.floats);
  const m = arena.floats('optimizer', layout.floats);
  const v = arena.floats('optimizer', layout.floats);
  const sum = accumulates ? arena.floats('gradients', layout.floats) : gradients;
  const average = (): Average => ({
    weights: arena.floats('averages', layout.floats),
    statistics: arena.floats('averages', layout.statistics),
  });
  const kept = Array.from({ length: averages }, average);
  return { weights, statistics, training: { gradients, m, v, sum, averages: kept } };
}

/**
 * Calls back for every element of PyTorch's weight, in its row-major order, with the offset in the engine's panels.
 */
function eachWeight(at: LayerAddresses, visit: (from: number, to: number) => void): void {
  const { layer } = at;
  if (layer.kind === 'batchNorm' || layer.kind === 'groupNorm') {
    for (const [c, place] of at.outputPlaces.entries()) visit(c, place);
    return;
  }
  if (layer.kind === 'embedding') {
    for (let row = 0; row < layer.classes; row++)
      for (const [c, place] of at.outputPlaces.entries())
        visit(row * layer.outputs + c, row * at.outputs + place);
    return;
  }
  const taps = layer.kind === 'linear' ? 1 : layer.kernel ** 2;
  const transposed = layer.kind === 'convTranspose';
  for (let o = 0; o < layer.outputs; o++) {
    const row = at.outputPlaces[o]!;
    for (let i = 0; i < layer.inputs; i++) {
      const column = at.inputPlaces[i]!;
      const first = (transposed ? i * layer.outputs + o : o * layer.inputs + i) * taps;
      for (let tap = 0; tap < taps; tap++) {
        const place = transposed ? phaseMajor(tap) : tap;
        visit(first + tap, (((row >> 3) * taps + place) * at.inputs + column) * 8 + (row & 7));
      }
    }
  }
}

/** The index of kernel element ky·4 + kx in the phase-major order of a transposed convolution. */
function phaseMajor(tap: number): number {
  const ky = tap >> 2;
  const kx = tap & 3;
  const phase = (k: number) => (k & 1) ^ 1;
  const at = (k: number) => (k < 2 ? 1 : 0);
  return (phase(ky) * 2 + phase(kx)) * 4 + at(ky) * 2 + at(kx);
}

/** Calls back with the offsets of every element of a layer's parameter `name`, in the file and in a region. */
function eachElement(
  at: LayerAddresses,
  name: string,
  visit: (from: number, to: number) => void,
): void {
  if (name.endsWith('.weight')) eachWeight(at, (from, to) => visit(from, at.weight + to));
  else for (const [c, place] of at.outputPlaces.entries()) visit(c, at.bias + place);
}

/** Copies named parameters (and no buffers) into a region. @throws UsageError for a missing name or a wrong shape */
export function writeParameters(
  layout: ParameterLayout,
  region: Float32Array,
  state: StateDict,
): void {
  const found = [...layout.layers.values()].flatMap((at) =>
    layerParameters(at.layer).map(({ name, shape }) => ({
      ...{ at, name, data: take(state, name, shape) },
    })),
  );
  region.fill(0); // Only once all are known to be valid.
  for (const { at, name, data } of found)
    eachElement(at, name, (from, to) => {
      region[to] = data[from]!;
    });
}

/** Reads a region back as tensors in PyTorch's layouts, in state_dict order. */
export function readParameters(layout: ParameterLayout, region: Float32Array): StateDict {
  const state = new Map<string, Tensor>();
  for (const at of layout.layers.values())
    for (const { name, shape } of layerParameters(at.layer)) {
      const data = new Float32Array(elements(shape));
      eachElement(at, name, (from, to) => {
        data[from] = region[to]!;
      });
      state.set(name, { dtype: 'F32', shape, data });
    }
  return state;
}

/** Copies the running statistics of a state dict into their region; returns how many batches each norm has seen. */
export function writeStatistics(
  layout: ParameterLayout,
  region: Float32Array,
  state: StateDict,
): Map<string, bigint> {
  region.fill(0);
  const batches = new Map<string, bigint>();
  for (const { layer, outputPlaces, runningMean, runningVar } of batchNorms(layout)) {
    const mean = take(state, `${layer.name}.running_mean`, [layer.outputs]);
    const variance = take(state, `${layer.name}.running_var`, [layer.outputs]);
    for (const [c, place] of outputPlaces.entries()) {
      region[runningMean + place] = mean[c]!;
      region[runningVar + place] = variance[c]!;
    }
    const seen = state.get(`${layer.name}.num_batches_tracked`);
    batches.set(layer.name, seen?.dtype === 'I64' ? (seen.data[0] ?? 0n) : 0n);
  }
  return batches;
}

/** Parameters and buffers together, in the order of PyTorch's state_dict(). */
export function readState(
  layout: ParameterLayout,
  weights: Float32Array,
  statistics: Float32Array,
  batches: ReadonlyMap<string, bigint>,
): StateDict {
  const state = new Map<string, Tensor>();
  const parameters = readParameters(layout, weights);
  for (const { layer, outputPlaces, runningMean, runningVar } of layout.layers.values()) {
    for (const { name } of layerParameters(layer)) state.set(name, parameters.get(name)!);
    if (layer.kind !== 'batchNorm') continue;
    const shape = [layer.outputs];
    const read = (at: number) => Float32Array.from(outputPlaces, (p) => statistics[at + p]!);
    const seen = BigInt64Array.of(batches.get(layer.name) ?? 0n);
    state.set(`${layer.name}.running_mean`, { dtype: 'F32', shape, data: read(runningMean) });
    state.set(`${layer.name}.running_var`, { dtype: 'F32', shape, data: read(runningVar) });
    state.set(`${layer.name}.num_batches_tracked`, { dtype: 'I64', shape: [], data: seen });
  }
  return state;
}

/** The layers with running statistics. */
const batchNorms = (layout: ParameterLayout): LayerAddresses[] =>
  [...layout.layers.values()].filter(({ layer }) => layer.kind === 'batchNorm');

function take(state: StateDict, name: string, shape: readonly number[]): Float32Array {
  const tensor = state.get(name);
  if (tensor?.dtype !== 'F32') throw new UsageError(`weights: ${name} is missing`);
  if (tensor.shape.join() !== shape.join())
    throw new UsageError(`weights: ${name} expected shape [${shape}], got [${tensor.shape}]`);
  return tensor.data;
}
