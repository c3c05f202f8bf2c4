import { RunError } from '../../errors.js';
import type {
  BatchNormLayer,
  ConvLayer,
  Graph,
  GroupNormLayer,
  LinearLayer,
  Node,
  NodeOf,
  Value,
} from '../../network/graph.js';
import { inputsOf } from '../../network/graph.js';

/**
 * The first pass of the compiler: nodes that kernels compute together are fused into one step. Ordered patterns, each searched
 * for once; a node that no pattern takes becomes its own step.
 */

/** What one group of kernel calls computes; `out` is its result. */
export type Step =
  | NodeOf<'image' | 'sinusoid' | 'embedding' | 'concat' | 'upsample' | 'downsample'>
  | NodeOf<'scale' | 'dropout' | 'attention' | 'activation'>
  | NodeOf<'adaNorm' | 'gate' | 'patches' | 'pixels' | 'positions'>
  | ConvolveStep
  | BatchNormStep
  | GroupNormStep
  | AddStep;

/** A convolution or linear layer, with the operations that are fused into writing its output. */
export interface ConvolveStep {
  readonly op: 'convolve';
  readonly layer: ConvLayer | LinearLayer;
  readonly x: Value;
  /** Reads x upsampled by two in both directions. */
  readonly upsampled: boolean;
  readonly relu: boolean;
  /** Added to the output. */
  readonly side: Value | undefined;
  readonly out: Value;
}

/**
 * A batch norm of a ReLU's output, then the addition of a vector to each pixel. The result is never
 * materialised: the convolutions that read it apply scale and shift as they load.
 */
export interface BatchNormStep {
  readonly op: 'batchNorm';
  readonly layer: BatchNormLayer;
  readonly x: Value;
  readonly vector: Value | undefined;
  readonly out: Value;
}

/** Adds a vector to each pixel, normalises, scales and shifts by another vector, and activates. */
export interface GroupNormStep {
  readonly op: 'groupNorm';
  readonly layer: GroupNormLayer;
  readonly x: Value;
  readonly vector: Value | undefined;
  readonly film: Value | undefined;
  readonly silu: boolean;
  readonly out: Value;
}

/** (a + b)/divisor of equal shapes, or with a vector b that is added to every pixel. */
export interface AddStep {
  readonly op: 'add';
  readonly a: Value;
  readonly b: Value;
  readonly divisor: number;
  readonly out: Value;
}

export type StepOp = Step['op'];
export type StepOf<O extends StepOp> = Extract<Step, { op: O }>;

/** The values that a step reads. */
export function reads(step: Step): readonly Value[] {
  const list = (...values: (Value | undefined)[]) => values.filter((v) => v !== undefined);
  switch (step.op) {
    case 'convolve':
      return list(step.x, step.side);
    case 'batchNorm':
      return list(step.x, step.vector);
    case 'groupNorm':
      return list(step.x, step.vector, step.film);
    default:
      return inputsOf(step);
  }
}

/** The graph as steps, in execution order. */
export function fuse(graph: Graph): Step[] {
  return new Fusion(graph).steps();
}

class Fusion {
  readonly #nodes: readonly Node[];
  /** The nodes that read a value; the output also has a reader outside the graph. */
  readonly #readers = new Map<number, Node[]>();
  readonly #output: Value;
  readonly #makers = new Map<number, Node>();
  /** Nodes that are already part of another step. */
  readonly #taken = new Set<Node>();

  constructor({ nodes, output }: Graph) {
    this.#nodes = nodes;
    this.#output = output;
    for (const node of nodes) {
      this.#makers.set(node.out.id, node);
      for (const { id } of inputsOf(node))
        this.#readers.set(id, [...(this.#readers.get(id) ?? []), node]);
    }
  }

  steps(): Step[] {
    const steps: Step[] = [];
    for (const node of this.#nodes) if (!this.#taken.has(node)) steps.push(...this.#step(node));
    return steps;
  }

  #step(node: Node): Step[] {
    switch (node.op) {
      case 'conv':
      case 'linear':
        return this.#convolve(node, node.x, false);
      case 'upsample': {
        const next = this.#only(node.out);
        if (next?.op !== 'conv' || !is3x3(next.layer)) return [node];
        return this.#convolve(this.#take(next), node.x, true);
      }
      case 'norm':
        return [this.#norm(node, undefined)];
      case 'add':
        return this.#add(node);
      case 'film':
        throw unsupported('a film without a group norm before it');
      default:
        return [node];
    }
  }

  /** A layer, fused with the ReLU after it or with the addition of an earlier value. */
  #convolve(node: NodeOf<'conv' | 'linear'>, x: Value, upsampled: boolean): Step[] {
    const base = { op: 'convolve', layer: node.layer, x, upsampled } as const;
    const next = this.#only(node.out);
    if (next?.op === 'activation' && next.kind === 'relu' && node.out.id !== this.#output.id)
      return [{ ...base, relu: true, side: undefined, out: this.#take(next).out }];
    const plain = { ...base, relu: false };
    if (next?.op === 'add' && next.b === node.out && this.#isBefore(next.a, node)) {
      this.#take(next);
      const { a, divisor, out } = next;
      if (divisor === 1) return [{ ...plain, side: a, out }];
      // The sum is divided in place.
      const factor = 1 / divisor;
      const sum: Value = { ...out, id: -1 - out.id };
      return [
        { ...plain, side: a, out: sum },
        { op: 'scale', x: sum, factor, offset: 0, out },
      ];
    }
    return [{ ...plain, side: undefined, out: node.out }];
  }

  /** A vector added to each pixel is fused with the norm before it (batch) or after it (group). */
  #add(node: NodeOf<'add'>): Step[] {
    const { a, b, divisor, out } = node;
    if (b.side === a.side) return [{ op: 'add', a, b, divisor, out }];
    const next = this.#only(out);
    if (next?.op === 'norm' && next.layer.kind === 'groupNorm' && divisor === 1)
      return [this.#norm({ ...this.#take(next), x: a }, b)];
    return [{ op: 'add', a, b, divisor, out }];
  }

  #norm(node: NodeOf<'norm'>, vector: Value | undefined): Step {
    const { layer, x } = node;
    if (layer.kind === 'batchNorm') return this.#batchNorm(layer, x, node.out);
    const film = this.#only(node.out);
    const filmed = film?.op === 'film' && film.x === node.out ? this.#take(film) : undefined;
    const last = filmed?.out ?? node.out;
    const silu = this.#only(last);
    const activated =
      silu?.op === 'activation' && silu.kind === 'silu' ? this.#take(silu) : undefined;
    return {
      ...{ op: 'groupNorm', layer, x, vector, film: filmed?.by },
      silu: activated !== undefined,
      out: activated?.out ?? last,
    };
  }

  #batchNorm(layer: BatchNormLayer, x: Value, normalised: Value): Step {
    const maker = this.#makers.get(x.id);
    if (maker?.op !== 'activation' || maker.kind !== 'relu')
      throw unsupported(`${layer.name} normalises a value that is not a ReLU's output`);
    const next = this.#only(normalised);
    const added = next?.op === 'add' && next.b.side === 0 && next.divisor === 1;
    const vector = added ? next.b : undefined;
    const out = added ? this.#take(next).out : normalised;
    for (const reader of this.#readers.get(out.id) ?? [])
      if (reader.op !== 'conv' || reader.layer.kernel === 1)
        throw unsupported(
          `${layer.name} is read by an operation other than a 3x3 or 4x4 convolution`,
        );
    return { op: 'batchNorm', layer, x, vector, out };
  }

  /** Whether a value is computed before a node runs. */
  #isBefore({ id }: Value, node: Node): boolean {
    return this.#nodes.indexOf(this.#makers.get(id)!) < this.#nodes.indexOf(node);
  }

  /** The only node that reads a value, if there is exactly one. */
  #only({ id }: Value): Node | undefined {
    const readers = this.#readers.get(id) ?? [];
    if (id === this.#output.id || readers.length !== 1) return undefined;
    return this.#taken.has(readers[0]!) ? undefined : readers[0];
  }

  #take<N extends Node>(node: N): N {
    this.#taken.add(node);
    return node;
  }
}

const is3x3 = ({ kind, kernel, stride, padding }: ConvLayer): boolean =>
  kind === 'conv' && kernel === 3 && stride === 1 && padding[0] === 1 && padding[1] === 1;

const unsupported = (what: string): RunError =>
  new RunError(`the wasm device does not support this network: ${what}`);
