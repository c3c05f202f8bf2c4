import type { AutoencoderTinyConfig } from './autoencoder-tiny-config.js';
import { GraphBuilder } from './builder.js';
import type { Graph, Value } from './graph.js';
import { times } from './unet2d-config.js';

/** The encoder of square pictures. */
export function buildTinyEncoder(c: AutoencoderTinyConfig, size: number): Graph {
  const width = c.encoderWidth;
  const g = new GraphBuilder(size, c.channels);
  const layers = new Sequence(g, 'encoder.layers');
  // It reads pictures in [0, 1].
  let x = g.scale(g.image(), 0.5, 0.5);
  for (const [i, blocks] of c.encoderBlocks.entries()) {
    x = i === 0 ? layers.conv(x, width) : layers.conv(x, width, { stride: 2, bias: false });
    x = layers.residuals(x, blocks);
  }
  return g.buildMap(layers.conv(x, c.latentChannels));
}

/** The decoder of latents of `size` pixels a side, within ±3 as `decoderInput` has them. */
export function buildTinyDecoder(c: AutoencoderTinyConfig, size: number): Graph {
  const width = c.decoderWidth;
  const g = new GraphBuilder(size, c.latentChannels);
  const layers = new Sequence(g, 'decoder.layers');
  let x = layers.relu(layers.conv(g.image(), width));
  for (const [i, blocks] of c.decoderBlocks.entries()) {
    if (i > 0) x = layers.conv(layers.upsample(x), width, { bias: false });
    x = layers.residuals(x, blocks);
  }
  // It makes pictures in [0, 1].
  return g.buildMap(g.scale(layers.conv(x, c.channels), 2, -1));
}

/** The numbered layers of PyTorch's `Sequential`, each used once, in order. */
class Sequence {
  readonly #g: GraphBuilder;
  readonly #name: string;
  #layers = 0;

  constructor(g: GraphBuilder, name: string) {
    this.#g = g;
    this.#name = name;
  }

  /** A 3x3 convolution. */
  conv(x: Value, outputs: number, { stride = 1, bias = true } = {}): Value {
    return this.#conv(this.#next(), x, outputs, { stride, bias });
  }

  /** Residual blocks of three convolutions; ReLU comes after the sum. */
  residuals(x: Value, count: number): Value {
    return times(count, () => this.#next()).reduce((y, name) => this.#residual(name, y), x);
  }

  relu(x: Value): Value {
    this.#next();
    return this.#g.relu(x);
  }

  upsample(x: Value): Value {
    this.#next();
    return this.#g.upsample(x);
  }

  #residual(name: string, x: Value): Value {
    const g = this.#g;
    let y = x;
    // Its activations are numbered, too.
    for (const i of [0, 2, 4]) {
      if (i > 0) y = g.relu(y);
      y = this.#conv(`${name}.conv.${i}`, y, x.channels);
    }
    return g.relu(g.add(x, y));
  }

  #conv(
    name: string,
    x: Value,
    outputs: number,
    options: { stride?: number; bias?: boolean } = {},
  ) {
    const { declare } = this.#g;
    return this.#g.conv(declare.conv(name, x.channels, outputs, 3, options), x);
  }

  #next(): string {
    return `${this.#name}.${this.#layers++}`;
  }
}
