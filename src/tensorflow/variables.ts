/**
 * A network's variables: parameters, running statistics, Adam's state. They are stored in TensorFlow's
 * layouts and imported and exported in PyTorch's.
 */
import type { Graph, Layer } from '../network/graph.js';
import { layerParameters, stateShapes } from '../network/parameters.js';
import { elements } from '../network/state.js';
import type { ConvNode, ConvolutionPlan } from './algorithm.js';
import { type Block, type Matrix, packBlocks, type Stored } from './blocks.js';
import { join, permute, reshape, split } from './calls.js';
import type { Lowering } from './lowering.js';
import { assign, assignSub, type Ops, one, read } from './ops.js';

/** One variable. */
export interface Variable {
  /** state_dict name; Adam's have the prefix `adam/…`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: readonly number[];
  /** Stored shape: convolution weights HWIO; for transposed ones [kernel, kernel, out, in]; for linear layers [out, in]. */
  readonly kept: readonly number[];
}

/** Variables by kind, each in state_dict order. */
export interface NetworkVariables {
  /** Weights and biases. */
  readonly parameters: readonly Variable[];
  /** How these are stored, and their moments, sums and averages as well, under the names with those prefixes. */
  readonly blocks: readonly Block[];
  /** Running means and variances. */
  readonly statistics: readonly Variable[];
  /** Adam's step count, then all first moments, then all second moments. */
  readonly optimizer: readonly Variable[];
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

export interface VariableOptions {
  /** Determines which weights have another form. */
  readonly prediction?: ConvolutionPlan;
  /** Number of averages. */
  readonly averages?: number;
  /** The weights that Muon updates, by name. */
  readonly matrices?: ReadonlyMap<string, Matrix>;
  readonly gpu?: boolean;
}

export function networkVariables(
  graph: Graph,
  { prediction = new Map(), averages = 0, matrices = new Map(), gpu = false }: VariableOptions = {},
): NetworkVariables {
  const parameters = graph.layers.flatMap((layer) =>
    layerParameters(layer).map(({ name, shape }) => variable(name, shape, keptShape(layer, shape))),
  );
  const statistics = [...stateShapes(graph)]
    .filter(([name]) => /\.running_(mean|var)$/.test(name))
    .map(([name, shape]) => variable(name, shape));
  const prepared = [...prediction].flatMap(([node, algorithm]) => {
    if ('direct' in algorithm) return [];
    const { points, pixels, inputs, outputs } = algorithm.lowered;
    const shape = [points, pixels * inputs, outputs];
    return [variable(preparedName(node, algorithm.lowered), shape)];
  });
  return {
    ...{ parameters, statistics, prepared },
    blocks: packBlocks(parameters, matrices, gpu),
    optimizer: [STEP, ...withPrefix(MOMENT.m, parameters), ...withPrefix(MOMENT.v, parameters)],
    averages: Array.from({ length: averages }, (_, i) =>
      withPrefix(averagePrefix(i), [...parameters, ...statistics]),
    ),
  };
}

/** Prefixes of what belongs to a parameter: Adam's moments, and the sum of the gradients of a step's batches. */
export const MOMENT = { m: 'adam/m/', v: 'adam/v/' };
export const SUM = 'sum/';

/** The prefix of an average of the weights. */
export const averagePrefix = (index: number): string => `average/${index}/`;

/** OIHW to HWIO, and IOHW to [kernel, kernel, out, in]; and back. */
const INWARD = [2, 3, 1, 0];
const OUTWARD = [3, 2, 0, 1];

const variable = (name: string, shape: readonly number[], kept = shape): Variable => ({
  ...{ name, shape, kept },
});

function keptShape({ kind }: Layer, shape: readonly number[]): readonly number[] {
  if (shape.length !== 4) return shape;
  const [outputs, ...patch] = shape;
  return kind === 'linear' ? [outputs!, elements(patch)] : INWARD.map((axis) => shape[axis]!);
}

/** Whether a variable is a convolution's weight: others have their values in PyTorch's order. */
const isImageKernel = ({ kept }: Variable): boolean => kept.length === 4;

/** The variables of one machine. */
export class Store<V> {
  readonly ops: Ops<V>;
  /** By the name of each variable that it holds. */
  readonly #stored = new Map<string, Stored>();
  /** By its own name. */
  readonly #shapes = new Map<string, readonly number[]>();
  /** The values that were read from packed ones. */
  readonly #read = new Map<string, V>();

  constructor(ops: Ops<V>, variables: NetworkVariables) {
    const { blocks, statistics, prepared, averages } = variables;
    const alone = statistics.map(single);
    this.ops = ops;
    this.#add([STEP, RATE, ...prepared].map(single));
    this.#add(alone);
    for (const prefix of ['', ...Object.values(MOMENT), SUM]) this.#add(blocks, prefix);
    for (const i of averages.keys()) this.#add([...blocks, ...alone], averagePrefix(i));
  }

  #add(list: readonly Stored[], prefix = ''): void {
    for (const each of list) {
      const members = withPrefix(prefix, each.members);
      const stored = { name: prefix + each.name, kept: each.kept, members };
      this.#shapes.set(stored.name, stored.kept);
      for (const { name } of members) this.#stored.set(name, stored);
    }
  }

  /** What stores these variables, each once. */
  stored(list: readonly Variable[]): Stored[] {
    return [...new Set(list.map(({ name }) => this.#stored.get(name)!))];
  }

  /** The resource that an operation updates in place; this and what changes it take the name of what is stored. */
  handle(name: string): V {
    return this.ops.variable(name, this.#shapes.get(name)!);
  }

  assign(name: string, value: V): void {
    assign(this.ops, this.handle(name), value);
  }

  subtract(name: string, value: V): void {
    assignSub(this.ops, this.handle(name), value);
  }

  /** The value of a variable, or of all that are packed. */
  read(name: string): V {
    if (this.#shapes.has(name)) return read(this.ops, this.handle(name));
    if (!this.#read.has(name)) this.#unpack(this.#stored.get(name)!);
    return this.#read.get(name)!;
  }

  #unpack({ name, members }: Stored): void {
    const lengths = members.map(({ kept }) => elements(kept));
    for (const [i, part] of split(this.ops, this.read(name), lengths, 0).entries()) {
      const member = members[i]!;
      this.#read.set(member.name, reshape(this.ops, part, member.kept));
    }
  }

  /** What is to be stored, from its members. */
  pack({ members }: Stored, value: (member: Variable) => V): V {
    if (members.length === 1) return value(members[0]!);
    const { ops } = this;
    return join(
      ops,
      members.map((member) => reshape(ops, value(member), [-1])),
      0,
    );
  }

  /** Imports values in PyTorch's layouts. Always copies: the value fed may be the caller's own memory. */
  takeIn(list: readonly Variable[], values: readonly V[]): void {
    const fed = new Map(list.map(({ name }, i) => [name, values[i]!]));
    const inward = (variable: Variable) => {
      const value = fed.get(variable.name)!;
      return isImageKernel(variable)
        ? permute(this.ops, value, INWARD)
        : this.#reshaped(value, variable.shape, variable.kept);
    };
    for (const stored of this.stored(list))
      this.assign(stored.name, one(this.ops, 'DeepCopy', [this.pack(stored, inward)]));
  }

  /** Exports a value stored like this variable, in PyTorch's layout. */
  handOut(variable: Variable, value: V): V {
    return isImageKernel(variable)
      ? permute(this.ops, value, OUTWARD)
      : this.#reshaped(value, variable.kept, variable.shape);
  }

  /** Shapes with as many axes are equal. */
  #reshaped(value: V, from: readonly number[], to: readonly number[]): V {
    return from.length === to.length ? value : reshape(this.ops, value, to);
  }
}

const single = (variable: Variable): Stored => ({
  name: variable.name,
  kept: variable.kept,
  members: [variable],
});

const withPrefix = (prefix: string, list: readonly Variable[]): Variable[] =>
  list.map((variable) => ({ ...variable, name: prefix + variable.name }));
