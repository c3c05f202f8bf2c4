/**
 * A network's variables: parameters, running statistics, Adam's state. They are stored in TensorFlow's
 * layouts and imported and exported in PyTorch's.
 */
import type { Graph } from '../network/graph.js';
import { parameters as parameterSpecs, stateShapes } from '../network/parameters.js';
import type { ConvNode, ConvolutionPlan } from './algorithm.js';
import { permute } from './calls.js';
import type { Lowering } from './lowering.js';
import { assign, assignSub, type Ops, one, read } from './ops.js';

/** One variable. */
export interface Variable {
  /** state_dict name; Adam's have the prefix `adam/…`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: readonly number[];
  /** Stored shape: convolution weights HWIO; for transposed ones [kernel, kernel, out, in]. */
  readonly kept: readonly number[];
}

/** Variables by kind, each in state_dict order. */
export interface NetworkVariables {
  /** Weights and biases. */
  readonly parameters: readonly Variable[];
  /** Running means and variances. */
  readonly statistics: readonly Variable[];
  /** Adam's step count, then all first moments, then all second moments. */
  readonly optimizer: readonly Variable[];
  /** Sums of the gradients of a step's batches, if it has several. */
  readonly sums: readonly Variable[];
  /** Averages of the weights and statistics, one list per decay. */
  readonly averages: readonly (readonly Variable[])[];
  /** Convolution weights in the form for prediction, if it differs. */
  readonly prepared: readonly Variable[];
}

/** The name of a layer's weights in the form for an algorithm; a layer may be used on images of several sizes. */
export const preparedName = ({ layer }: ConvNode, { tile }: Lowering): string =>
  `prepared/${layer.name}/${tile}`;

/** Adam's learning rate: set before a step if it changed, and not part of any state. */
export const RATE: Variable = { name: 'adam/rate', shape: [], kept: [] };
export const STEP: Variable = { name: 'adam/step', shape: [], kept: [] };

/** `prediction` determines which weights have another form. */
export function networkVariables(
  graph: Graph,
  prediction: ConvolutionPlan = new Map(),
  { averages = 0, accumulates = false } = {},
): NetworkVariables {
  const parameters = parameterSpecs(graph).map(({ name, shape }) => variable(name, shape));
  const statistics = [...stateShapes(graph)]
    .filter(([name]) => /\.running_(mean|var)$/.test(name))
    .map(([name, shape]) => variable(name, shape));
  const moments = (which: 'm' | 'v') =>
    parameters.map((p) => ({ ...p, name: `adam/${which}/${p.name}` }));
  const prepared = [...prediction].flatMap(([node, algorithm]) => {
    if ('direct' in algorithm) return [];
    const { points, pixels, inputs, outputs } = algorithm.lowered;
    const shape = [points, pixels * inputs, outputs];
    return [variable(preparedName(node, algorithm.lowered), shape)];
  });
  const optimizer = [STEP, ...moments('m'), ...moments('v')];
  const average = (i: number) =>
    [...parameters, ...statistics].map((v) => ({ ...v, name: averageName(i, v.name) }));
  return {
    ...{ parameters, statistics, optimizer, prepared },
    sums: accumulates ? parameters.map((p) => ({ ...p, name: sumName(p.name) })) : [],
    averages: Array.from({ length: averages }, (_, i) => average(i)),
  };
}

/** The name of a gradient's sum. */
export const sumName = (name: string): string => `sum/${name}`;

/** The name of a weight's average. */
export const averageName = (index: number, name: string): string => `average/${index}/${name}`;

/** OIHW to HWIO, and IOHW to [kernel, kernel, out, in]; and back. */
const INWARD = [2, 3, 1, 0];
const OUTWARD = [3, 2, 0, 1];

const isImageKernel = (shape: readonly number[]): boolean => shape.length === 4;

const variable = (name: string, shape: readonly number[]): Variable => ({
  name,
  shape,
  kept: isImageKernel(shape) ? INWARD.map((axis) => shape[axis]!) : shape,
});

/** The variables of one machine, by name. */
export class Store<V> {
  readonly ops: Ops<V>;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(ops: Ops<V>, variables: NetworkVariables) {
    const { parameters, statistics, optimizer, prepared, averages, sums } = variables;
    this.ops = ops;
    const all = [
      ...parameters,
      ...statistics,
      ...optimizer,
      ...prepared,
      ...averages.flat(),
      ...sums,
      RATE,
    ];
    this.#shapes = new Map(all.map(({ name, kept }) => [name, kept]));
  }

  /** The resource that an operation updates in place. */
  handle(name: string): V {
    return this.ops.variable(name, this.#shapes.get(name)!);
  }

  read(name: string): V {
    return read(this.ops, this.handle(name));
  }

  assign(name: string, value: V): void {
    assign(this.ops, this.handle(name), value);
  }

  subtract(name: string, value: V): void {
    assignSub(this.ops, this.handle(name), value);
  }

  /** Imports a value in PyTorch's layout. Always copies: the value fed may be the caller's own memory. */
  takeIn({ name, shape }: Variable, value: V): void {
    const kept = isImageKernel(shape) ? permute(this.ops, value, INWARD) : value;
    this.assign(name, one(this.ops, 'DeepCopy', [kept]));
  }

  /** Exports a value stored like this variable, in PyTorch's layout. */
  handOut({ shape }: Variable, value: V): V {
    return isImageKernel(shape) ? permute(this.ops, value, OUTWARD) : value;
  }
}
