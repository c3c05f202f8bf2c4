import { ShapeError } from '../errors.js';
import type {
  BatchNormLayer,
  ConvLayer,
  EmbeddingLayer,
  Graph,
  GroupNormLayer,
  Layer,
  LinearLayer,
  Node,
  NodeOf,
  NormLayer,
  Padding,
  Value,
} from './graph.js';
import { checkModulations } from './modulations.js';

/**
 * Builds a graph: layers are declared in state_dict order, then used in execution order, any number of
 * times. @throws ShapeError if shapes do not match.
 */
export class GraphBuilder {
  readonly #size: number;
  readonly #channels: number;
  readonly #layers: Layer[] = [];
  readonly #nodes: Node[] = [];
  #values = 0;
  #dropouts = 0;

  /** @param channels of the images */
  constructor(size: number, channels: number) {
    this.#size = size;
    this.#channels = channels;
  }

  /** Declares layers, in state_dict order. */
  readonly declare = {
    conv: (
      name: string,
      inputs: number,
      outputs: number,
      kernel: number,
      {
        stride = 1,
        padding = [kernel >> 1, kernel >> 1],
        bias = true,
      }: { stride?: number; padding?: Padding; bias?: boolean } = {},
    ): ConvLayer =>
      this.#declare({ kind: 'conv', name, inputs, outputs, kernel, stride, padding, bias }),
    convTranspose: (
      name: string,
      inputs: number,
      outputs: number,
      kernel: number,
      { stride, padding }: { stride: number; padding: Padding },
    ): ConvLayer =>
      this.#declare({
        ...{ kind: 'convTranspose', name, inputs, outputs, kernel, stride, padding },
        bias: true,
      }),
    linear: (name: string, inputs: number, outputs: number): LinearLayer =>
      this.#declare({ kind: 'linear', name, inputs, outputs }),
    /** A linear layer for the patches of an image of `channels`. */
    patchLinear: (name: string, channels: number, patch: number, outputs: number): LinearLayer =>
      this.#declare({ kind: 'linear', name, inputs: channels * patch ** 2, outputs, patch }),
    embedding: (name: string, classes: number, outputs: number): EmbeddingLayer =>
      this.#declare({ kind: 'embedding', name, classes, outputs }),
    batchNorm: (name: string, outputs: number, eps = 1e-5): BatchNormLayer =>
      this.#declare({ kind: 'batchNorm', name, outputs, eps }),
    groupNorm: (name: string, outputs: number, groups: number, eps = 1e-5): GroupNormLayer =>
      this.#declare({ kind: 'groupNorm', name, outputs, groups, eps }),
  };

  /** x_t. */
  image(): Value {
    return this.#add({ op: 'image', out: this.#value(this.#size, this.#channels) });
  }

  sinusoid(
    of: 'time' | 'label',
    channels: number,
    how: Pick<NodeOf<'sinusoid'>, 'order' | 'shift' | 'divide'>,
  ): Value {
    return this.#add({ op: 'sinusoid', of, ...how, out: this.#value(0, channels) });
  }

  embedding(layer: EmbeddingLayer): Value {
    return this.#add({ op: 'embedding', layer, out: this.#value(0, layer.outputs) });
  }

  /** `parts`: how the output's channels are divided if it is to be added to a concatenation. */
  conv(layer: ConvLayer, x: Value, parts?: readonly number[]): Value {
    this.#expect(layer.name, x.channels, layer.inputs);
    const out = this.#value(outputSide(layer, x.side), layer.outputs, parts);
    return this.#add({ op: 'conv', layer, x, out });
  }

  linear(layer: LinearLayer, x: Value, parts?: readonly number[]): Value {
    this.#expect(layer.name, x.channels, layer.inputs);
    return this.#add({
      op: 'linear',
      layer,
      x,
      out: this.#value(x.side, layer.outputs, parts),
    });
  }

  norm(layer: NormLayer, x: Value): Value {
    this.#expect(layer.name, x.channels, layer.outputs);
    return this.#add({ op: 'norm', layer, x, out: this.#like(x) });
  }

  relu(x: Value): Value {
    return this.#add({ op: 'activation', kind: 'relu', x, out: this.#like(x) });
  }

  silu(x: Value): Value {
    return this.#add({ op: 'activation', kind: 'silu', x, out: this.#like(x) });
  }

  gelu(x: Value): Value {
    return this.#add({ op: 'activation', kind: 'gelu', x, out: this.#like(x) });
  }

  /** (a + b)/divisor. */
  add(a: Value, b: Value, divisor = 1): Value {
    this.#expect('add', b.channels, a.channels);
    if (b.side !== a.side && b.side !== 0)
      throw new ShapeError(
        `add: sides of ${a.side} and ${b.side}, expected equal ones or a vector`,
      );
    this.#expectParts('add', b, a.parts);
    return this.#add({ op: 'add', a, b, divisor, out: this.#like(a) });
  }

  /** x·(1 + scale) + shift. */
  film(x: Value, by: Value): Value {
    this.#expectParts('film', by, [...x.parts, ...x.parts]);
    return this.#add({ op: 'film', x, by, out: this.#like(x) });
  }

  /** x̂·(1 + scale) + shift of a normalised x, by parts of a vector. */
  adaNorm(
    x: Value,
    by: Value,
    { shift, scale, eps }: Pick<NodeOf<'adaNorm'>, 'shift' | 'scale' | 'eps'>,
  ): Value {
    for (const part of [shift, scale]) this.#expectModulation('adaNorm', x, by, part);
    return this.#add({ op: 'adaNorm', eps, x, by, shift, scale, out: this.#like(x) });
  }

  /** a + x·gate, by a part of a vector. */
  gate(a: Value, x: Value, by: Value, gate: number): Value {
    this.#expect('gate', x.side, a.side);
    this.#expectParts('gate', x, a.parts);
    this.#expectModulation('gate', x, by, gate);
    return this.#add({ op: 'gate', a, x, by, gate, out: this.#like(a) });
  }

  /** Patches of size x size pixels as channels, in the order of a convolution's weights. */
  patches(x: Value, size: number): Value {
    if (x.side === 0 || x.side % size !== 0)
      throw new ShapeError(`patches: expected a multiple of ${size} pixels, got ${x.side}`);
    if (x.parts.length > 1)
      throw new ShapeError(`patches: expected undivided channels, got ${x.parts}`);
    return this.#add({
      op: 'patches',
      size,
      x,
      out: this.#value(x.side / size, x.channels * size ** 2),
    });
  }

  /** Patches' pixels, from channels in the order row, column, channel. */
  pixels(x: Value, size: number): Value {
    const channels = x.channels / size ** 2;
    if (x.side === 0 || !Number.isInteger(channels) || x.parts.length > 1)
      throw new ShapeError(
        `pixels: expected pixels of a multiple of ${size ** 2} channels, got ${x.parts}`,
      );
    return this.#add({ op: 'pixels', size, x, out: this.#value(x.side * size, channels) });
  }

  /** Adds sinusoids of each pixel's coordinates, of an image of `base` pixels a side. */
  positions(x: Value, base = x.side): Value {
    if (x.side === 0 || x.channels % 4 !== 0 || x.parts.length > 1)
      throw new ShapeError(`positions: expected a multiple of 4 channels, got ${x.parts}`);
    return this.#add({ op: 'positions', base, x, out: this.#like(x) });
  }

  /** x·factor + offset. */
  scale(x: Value, factor: number, offset: number): Value {
    return this.#add({ op: 'scale', x, factor, offset, out: this.#like(x) });
  }

  concat(a: Value, b: Value): Value {
    this.#expect('concat', b.side, a.side);
    const out = this.#value(a.side, a.channels + b.channels, [...a.parts, ...b.parts]);
    return this.#add({ op: 'concat', a, b, out });
  }

  upsample(x: Value): Value {
    return this.#add({ op: 'upsample', x, out: this.#value(2 * x.side, x.channels, x.parts) });
  }

  downsample(x: Value): Value {
    if (x.side % 2 !== 0) throw new ShapeError(`downsample: expected an even side, got ${x.side}`);
    return this.#add({ op: 'downsample', x, out: this.#value(x.side / 2, x.channels, x.parts) });
  }

  /** Adds nothing for a rate of 0. */
  dropout(rate: number, x: Value): Value {
    if (rate === 0) return x;
    return this.#add({ op: 'dropout', rate, index: this.#dropouts++, x, out: this.#like(x) });
  }

  /** Multi-head self-attention over pixels (Vaswani et al., 2017); `name` is that of its block. */
  attention(name: string, q: Value, k: Value, v: Value, heads: number, headDim: number): Value {
    for (const x of [q, k, v]) this.#expect(name, x.channels, heads * headDim);
    return this.#add({ op: 'attention', name, q, k, v, heads, headDim, out: this.#like(q) });
  }

  /** The finished network, whose output has the shape of its images. */
  build(output: Value): Graph {
    this.#expect('output', output.channels, this.#channels);
    this.#expect('output', output.side, this.#size);
    return this.buildMap(output);
  }

  /** The same with an output of any shape. */
  buildMap(output: Value): Graph {
    checkModulations(this.#nodes, output);
    const reads = (n: Node) => n.op === 'embedding' || (n.op === 'sinusoid' && n.of === 'label');
    return {
      size: this.#size,
      channels: this.#channels,
      layers: this.#layers,
      nodes: this.#nodes,
      output,
      labelled: this.#nodes.some(reads),
    };
  }

  #declare<L extends Layer>(layer: L): L {
    if (this.#layers.some(({ name }) => name === layer.name))
      throw new ShapeError(`${layer.name}: two layers have this name`);
    this.#layers.push(layer);
    return layer;
  }

  #add(node: Node): Value {
    this.#nodes.push(node);
    return node.out;
  }

  #value(side: number, channels: number, parts: readonly number[] = [channels]): Value {
    this.#expect(
      'parts',
      parts.reduce((a, b) => a + b, 0),
      channels,
    );
    return { id: this.#values++, side, channels, parts };
  }

  #like({ side, channels, parts }: Value): Value {
    return this.#value(side, channels, parts);
  }

  /** A value that is added to a concatenation must be divided like it. */
  #expectParts(where: string, { parts }: Value, expected: readonly number[]): void {
    if (parts.join() !== expected.join())
      throw new ShapeError(`${where}: expected channels divided into ${expected}, got ${parts}`);
  }

  /** Channels are scaled or shifted by one undivided part of a vector. */
  #expectModulation(where: string, x: Value, by: Value, part: number): void {
    if (x.side === 0) throw new ShapeError(`${where}: expected an image, got a vector`);
    if (by.side > 0)
      throw new ShapeError(`${where}: expected a vector, got an image of ${by.side} pixels`);
    this.#expectParts(where, x, [by.parts[part] ?? 0]);
  }

  #expect(where: string, got: number, expected: number): void {
    if (got !== expected) throw new ShapeError(`${where}: expected ${expected}, got ${got}`);
  }
}

/** Size of a convolution's output. @throws ShapeError if the kernel does not fit */
function outputSide({ name, kind, kernel, stride, padding }: ConvLayer, side: number): number {
  const [before, after] = padding;
  if (kind === 'convTranspose') return (side - 1) * stride - before - after + kernel;
  const free = side + before + after - kernel;
  if (free < 0) throw new ShapeError(`${name}: a kernel of ${kernel} on ${side} pixels`);
  return Math.floor(free / stride) + 1;
}
