import { UsageError } from '../../errors.js';
import { elements, type StateDict, type Tensor } from '../../network/state.js';
import { type Architecture, type Layer, layers, weightShape } from '../../unet/architecture.js';
import type { Arena } from '../arena.js';
import { padded } from '../tensors.js';

/**
 * Where each layer's parameters lie, and the way between PyTorch's layouts and the engine's: weights as panels
 * W[outputs/8][tap][inputs][8] with channels padded to multiples of 8 by zeros, which training never moves.
 */
export interface LayerAddresses {
  readonly layer: Layer;
  /** Float offsets into a region (weights, gradients and both of Adam's moments share one layout). */
  readonly weight: number;
  readonly bias: number;
  /** Padded input and output channels. */
  readonly inputs: number;
  readonly outputs: number;
  /** Float offsets into the statistics region; BatchNorm only. */
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
export function layoutParameters(architecture: Architecture): ParameterLayout {
  const map = new Map<string, LayerAddresses>();
  let floats = 0;
  let statistics = 0;
  for (const layer of layers(architecture)) {
    const outputs = padded(layer.outputs);
    const inputs = isConcat(layer) ? 2 * padded(layer.inputs / 2) : padded(layer.inputs);
    const norm = layer.kind === 'batchNorm';
    const weight = floats;
    const bias = weight + (norm ? outputs : outputs * inputs * layer.kernel ** 2);
    floats = bias + outputs;
    map.set(layer.name, {
      layer,
      weight,
      bias,
      inputs,
      outputs,
      runningMean: norm ? statistics : -1,
      runningVar: norm ? statistics + outputs : -1,
    });
    if (norm) statistics += 2 * outputs;
  }
  return { layers: map, floats: Math.ceil(floats / 16) * 16, statistics };
}

/** Regions of shared memory by what they hold; byte addresses. */
export interface ParameterRegions {
  readonly weights: number;
  readonly statistics: number;
  readonly training?: { readonly gradients: number; readonly m: number; readonly v: number };
}

export function allocateParameters(
  arena: Arena,
  layout: ParameterLayout,
  training: boolean,
): ParameterRegions {
  const weights = arena.floats('weights', layout.floats);
  const statistics = arena.floats('weights', layout.statistics);
  if (!training) return { weights, statistics };
  const gradients = arena.floats('gradients', layout.floats);
  const m = arena.floats('optimizer', layout.floats);
  const v = arena.floats('optimizer', layout.floats);
  return { weights, statistics, training: { gradients, m, v } };
}

/** An up stage's first convolution reads a concatenation of two tensors, each padded by itself. */
const isConcat = (layer: Layer): boolean => /^ups\.\d+\.conv1$/.test(layer.name);

/**
 * For every element of PyTorch's weight, in its row-major order, calls back with the offset in the engine's panels.
 */
function eachWeight(
  { layer, inputs }: LayerAddresses,
  visit: (from: number, to: number) => void,
): void {
  if (layer.kind === 'batchNorm') {
    for (let c = 0; c < layer.outputs; c++) visit(c, c);
    return;
  }
  const k = layer.kernel;
  const taps = k * k;
  const half = isConcat(layer) ? layer.inputs / 2 : layer.inputs;
  const transposed = layer.kind === 'convTranspose';
  for (let o = 0; o < layer.outputs; o++)
    for (let i = 0; i < layer.inputs; i++) {
      const column = i < half ? i : i - half + inputs / 2;
      const first = (transposed ? i * layer.outputs + o : o * layer.inputs + i) * taps;
      for (let tap = 0; tap < taps; tap++) {
        const place = transposed ? phaseMajor(tap) : tap;
        visit(first + tap, (((o >> 3) * taps + place) * inputs + column) * 8 + (o & 7));
      }
    }
}

/** The place of kernel element ky·4 + kx in the phase-major order of a transposed convolution (assembly/conv-shape.ts). */
function phaseMajor(tap: number): number {
  const ky = tap >> 2;
  const kx = tap & 3;
  const phase = (k: number) => (k & 1) ^ 1;
  const at = (k: number) => (k < 2 ? 1 : 0);
  return (phase(ky) * 2 + phase(kx)) * 4 + at(ky) * 2 + at(kx);
}

/** Copies named parameters (and no buffers) into a region. @throws UsageError for a missing name or a wrong shape. */
export function writeParameters(
  layout: ParameterLayout,
  region: Float32Array,
  state: StateDict,
): void {
  const parameters = [...layout.layers.values()].map((at) => ({
    at,
    weight: take(state, `${at.layer.name}.weight`, weightShape(at.layer)),
    bias: take(state, `${at.layer.name}.bias`, [at.layer.outputs]),
  }));
  region.fill(0); // Not before all are known to be right.
  for (const { at, weight, bias } of parameters) {
    eachWeight(at, (from, to) => {
      region[at.weight + to] = weight[from]!;
    });
    region.set(bias, at.bias);
  }
}

/** Reads a region back as tensors in PyTorch's layouts, in state_dict order. */
export function readParameters(layout: ParameterLayout, region: Float32Array): StateDict {
  const state = new Map<string, Tensor>();
  for (const at of layout.layers.values()) {
    const { layer } = at;
    const shape = weightShape(layer);
    const data = new Float32Array(elements(shape));
    eachWeight(at, (from, to) => {
      data[from] = region[at.weight + to]!;
    });
    state.set(`${layer.name}.weight`, { dtype: 'F32', shape, data });
    const bias = region.slice(at.bias, at.bias + layer.outputs);
    state.set(`${layer.name}.bias`, { dtype: 'F32', shape: [layer.outputs], data: bias });
  }
  return state;
}

/** Copies the running statistics of a state dict into their region; resolves how many batches each norm has seen. */
export function writeStatistics(
  layout: ParameterLayout,
  region: Float32Array,
  state: StateDict,
): Map<string, bigint> {
  region.fill(0);
  const batches = new Map<string, bigint>();
  for (const { layer, runningMean, runningVar } of norms(layout)) {
    region.set(take(state, `${layer.name}.running_mean`, [layer.outputs]), runningMean);
    region.set(take(state, `${layer.name}.running_var`, [layer.outputs]), runningVar);
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
  for (const { layer, runningMean, runningVar } of layout.layers.values()) {
    for (const part of ['weight', 'bias'])
      state.set(`${layer.name}.${part}`, parameters.get(`${layer.name}.${part}`)!);
    if (layer.kind !== 'batchNorm') continue;
    const shape = [layer.outputs];
    const mean = statistics.slice(runningMean, runningMean + layer.outputs);
    const variance = statistics.slice(runningVar, runningVar + layer.outputs);
    const seen = BigInt64Array.of(batches.get(layer.name) ?? 0n);
    state.set(`${layer.name}.running_mean`, { dtype: 'F32', shape, data: mean });
    state.set(`${layer.name}.running_var`, { dtype: 'F32', shape, data: variance });
    state.set(`${layer.name}.num_batches_tracked`, { dtype: 'I64', shape: [], data: seen });
  }
  return state;
}

const norms = (layout: ParameterLayout): LayerAddresses[] =>
  [...layout.layers.values()].filter(({ layer }) => layer.kind === 'batchNorm');

function take(state: StateDict, name: string, shape: readonly number[]): Float32Array {
  const tensor = state.get(name);
  if (tensor?.dtype !== 'F32') throw new UsageError(`weights: ${name} is missing`);
  if (tensor.shape.join() !== shape.join())
    throw new UsageError(`weights: ${name} expected shape [${shape}], got [${tensor.shape}]`);
  return tensor.data;
}
