import type { AutoencoderKlConfig } from './autoencoder-kl-config.js';
import { GraphBuilder } from './builder.js';
import type { Graph } from './graph.js';
import { type Block, selfAttention } from './self-attention.js';
import { times } from './unet2d-config.js';

/** The class's own, which its config does not have. */
const EPS = 1e-6;

/** The encoder of square pictures: [means | log variances] of their latents. */
export function buildKlEncoder(c: AutoencoderKlConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.channels);
  return g.buildMap(klEncoder(g, c, 2 * c.latentChannels)(g.image()));
}

/** The decoder of latents of `size` pixels a side. */
export function buildKlDecoder(c: AutoencoderKlConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.latentChannels);
  return g.buildMap(klDecoder(g, c)(g.image()));
}

/**
 * Declares the encoder's layers.
 * @param outputs channels that its last 1x1 convolution gives, if it has one
 */
export function klEncoder(g: GraphBuilder, c: AutoencoderKlConfig, outputs: number): Block {
  const { conv, residuals, middle, normalised } = declaring(g, c);
  const last = c.widths.at(-1)!;
  const both = 2 * c.latentChannels;
  return inTurn([
    conv('encoder.conv_in', c.channels, c.widths[0]!, 3),
    ...c.widths.flatMap((width, i) => {
      const name = `encoder.down_blocks.${i}`;
      const level = residuals(`${name}.resnets`, c.layers, c.widths[i - 1] ?? width, width);
      if (i === c.widths.length - 1) return level;
      const down = g.declare.conv(`${name}.downsamplers.0.conv`, width, width, 3, {
        stride: 2,
        padding: [0, 1],
      });
      return [...level, (x) => g.conv(down, x)] satisfies Block[];
    }),
    middle('encoder.mid_block', last),
    normalised('encoder.conv_norm_out', last),
    conv('encoder.conv_out', last, both, 3),
    ...(c.quantConv ? [conv('quant_conv', both, outputs, 1)] : []),
  ]);
}

/** Declares the decoder's layers. */
export function klDecoder(g: GraphBuilder, c: AutoencoderKlConfig): Block {
  const { conv, residuals, middle, normalised } = declaring(g, c);
  const widths = [...c.widths].reverse();
  const [last, first] = [widths[0]!, c.widths[0]!];
  const convIn = conv('decoder.conv_in', c.latentChannels, last, 3);
  // In the state dict the way up comes before the middle, and the convolution of the latents is last.
  const up = widths.flatMap((width, i) => {
    const name = `decoder.up_blocks.${i}`;
    const level = residuals(`${name}.resnets`, c.layers + 1, widths[i - 1] ?? width, width);
    if (i === widths.length - 1) return level;
    return [
      ...level,
      (x) => g.upsample(x),
      conv(`${name}.upsamplers.0.conv`, width, width, 3),
    ] satisfies Block[];
  });
  const mid = middle('decoder.mid_block', last);
  const end = [
    normalised('decoder.conv_norm_out', first),
    conv('decoder.conv_out', first, c.channels, 3),
  ];
  const before = c.postQuantConv
    ? [conv('post_quant_conv', c.latentChannels, c.latentChannels, 1)]
    : [];
  return inTurn([...before, convIn, mid, ...up, ...end]);
}

/** Applies blocks one after another. */
const inTurn =
  (blocks: readonly Block[]): Block =>
  (x) =>
    blocks.reduce((y, block) => block(y), x);

/** Declares what both halves consist of. */
function declaring(g: GraphBuilder, c: AutoencoderKlConfig) {
  const conv = (name: string, inputs: number, outputs: number, kernel: number): Block => {
    const layer = g.declare.conv(name, inputs, outputs, kernel);
    return (x) => g.conv(layer, x);
  };

  /** A norm, and SiLU. */
  const normalised = (name: string, width: number): Block => {
    const norm = g.declare.groupNorm(name, width, c.groups, EPS);
    return (x) => g.silu(g.norm(norm, x));
  };

  const residual = (name: string, inputs: number, outputs: number): Block => {
    const branch = inTurn([
      normalised(`${name}.norm1`, inputs),
      conv(`${name}.conv1`, inputs, outputs, 3),
      normalised(`${name}.norm2`, outputs),
      conv(`${name}.conv2`, outputs, outputs, 3),
    ]);
    const straight =
      inputs === outputs ? inTurn([]) : conv(`${name}.conv_shortcut`, inputs, outputs, 1);
    return (x) => g.add(straight(x), branch(x));
  };

  /** The residual blocks of a level, of which the first reads another number of channels. */
  const residuals = (name: string, count: number, inputs: number, width: number): Block[] =>
    times(count, (k) => residual(`${name}.${k}`, k === 0 ? inputs : width, width));

  const middle = (name: string, width: number): Block => {
    const norm = { groups: c.groups, eps: EPS };
    const attend = c.midAttention
      ? selfAttention(g, `${name}.attentions.0`, { width, heads: 1, headDim: width, norm })
      : inTurn([]);
    const [before, after] = residuals(`${name}.resnets`, 2, width, width);
    return inTurn([before!, attend, after!]);
  };

  return { conv, normalised, residuals, middle };
}
