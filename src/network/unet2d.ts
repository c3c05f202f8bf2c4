import { UsageError } from '../errors.js';
import { GraphBuilder } from './builder.js';
import type { Graph, Value } from './graph.js';

/**
 * The U-Net of diffusers' `UNet2DModel`: group norms, SiLU, residual blocks, self-attention (Ho et al., 2020; Dhariwal &
 * Nichol, 2021). Names and numbers are those of the class.
 */
export interface Unet2dConfig {
  readonly kind: 'unet2d';
  /** Image channels, of input and output: 1 (grey) or 3 (RGB). */
  readonly channels: 1 | 3;
  /** Channels of each level (`block_out_channels`). */
  readonly widths: readonly number[];
  /** Residual blocks of each level going down; going up there is one more (`layers_per_block`). */
  readonly layers: number;
  /** Whether the blocks of a level attend: going down, and going up in the order they run. */
  readonly downAttention: readonly boolean[];
  readonly upAttention: readonly boolean[];
  /** `mid_block_type`: whether there is a middle, `add_attention`: whether it attends, `mid_block_scale_factor`. */
  readonly mid: boolean;
  readonly midAttention: boolean;
  readonly midScale: number;
  /** Channels of an attention head; null: one head as wide as the level (`attention_head_dim`). */
  readonly headDim: number | null;
  /** `norm_num_groups`, `attn_norm_num_groups`, `norm_eps`. */
  readonly groups: number;
  readonly attentionGroups: number | null;
  readonly eps: number;
  /** Length of the time embedding (`time_embedding_dim`). */
  readonly timeDim: number;
  /** `flip_sin_to_cos`: cosines first; `freq_shift`. */
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  /** `resnet_time_scale_shift`. */
  readonly timeScaleShift: 'default' | 'scale_shift';
  /** `center_input_sample`: the network reads 2x − 1. */
  readonly centerInput: boolean;
  /** `downsample_padding` of a 3x3 convolution of stride 2: 1 all around, or 0 and then right and bottom alone. */
  readonly downPadding: 0 | 1;
  /** How blocks that attend change resolution; the others always by a convolution (`downsample_type`, `upsample_type`). */
  readonly downType: 'conv' | 'resnet';
  readonly upType: 'conv' | 'resnet';
  /** Classes that the network is told: how many, numbers that are embedded like timesteps, or none. */
  readonly classes: number | 'timestep' | null;
  readonly dropout: number;
}

/**
 * What holds where it is not said: the class's own defaults, but that groups and heads fit the widths, and that the blocks
 * of the last level alone attend.
 */
export function unet2dDefaults({
  widths,
  ...stated
}: Pick<Unet2dConfig, 'widths'> & Partial<Omit<Unet2dConfig, 'kind'>>): Unet2dConfig {
  const last = widths.map((_, i) => i === widths.length - 1);
  const { downAttention = last, upAttention = [...downAttention].reverse() } = stated;
  const { mid = true, midAttention = true } = stated;
  const attending = widths.filter(
    (_, i) =>
      downAttention[i] ||
      upAttention[widths.length - 1 - i] ||
      (mid && midAttention && i === widths.length - 1),
  );
  return {
    kind: 'unet2d',
    channels: 3,
    widths,
    layers: 2,
    downAttention,
    upAttention,
    mid,
    midAttention,
    midScale: 1,
    headDim: largestDivisor(attending, 8),
    groups: largestDivisor(widths, 32),
    attentionGroups: null,
    eps: 1e-5,
    timeDim: 4 * (widths[0] ?? 0),
    flipSinToCos: true,
    freqShift: 0,
    timeScaleShift: 'default',
    centerInput: false,
    downPadding: 1,
    downType: 'conv',
    upType: 'conv',
    classes: null,
    dropout: 0,
  };
}

/** The largest number up to `most` that divides all of a list. */
function largestDivisor(list: readonly number[], most: number): number {
  for (let divisor = most; divisor > 1; divisor--)
    if (list.every((n) => n % divisor === 0)) return divisor;
  return 1;
}

/**
 * The levels whose images have one of these sides.
 * @throws UsageError naming a side that no level has.
 */
export function attendingLevels(
  widths: readonly number[],
  size: number,
  sides: readonly number[],
): boolean[] {
  const levels = widths.map((_, i) => size / 2 ** i);
  const wrong = sides.find((side) => !levels.includes(side));
  if (wrong !== undefined)
    throw new UsageError(
      `--attention: expected sides of the levels, which are ${levels.join(', ')}, got ${wrong}`,
    );
  return levels.map((side) => sides.includes(side));
}

/** @throws UsageError naming the option that is impossible. */
export function checkUnet2d(c: Unet2dConfig): void {
  const levels = c.widths.length;
  if (c.downAttention.length !== levels || c.upAttention.length !== levels)
    throw new UsageError(
      `down and up blocks: expected ${levels} of each as there are ${levels} widths, ` +
        `got ${c.downAttention.length} and ${c.upAttention.length}`,
    );
  whole('--layers', c.layers, 1);
  whole('--groups', c.groups, 1);
  whole('--time-dim', c.timeDim, 1);
  if (c.headDim !== null) whole('--head-dim', c.headDim, 1);
  if (c.attentionGroups !== null) whole('--attention-groups', c.attentionGroups, 1);
  if (typeof c.classes === 'number') whole('--num-classes', c.classes, 1);
  if (!(c.dropout >= 0 && c.dropout < 1))
    throw new UsageError(`--dropout: expected a number from 0 to below 1, got ${c.dropout}`);
  if (!(c.eps > 0 && Number.isFinite(c.eps)))
    throw new UsageError(`--norm-eps: expected a number above 0, got ${c.eps}`);
  if (!(c.midScale > 0 && Number.isFinite(c.midScale)))
    throw new UsageError(`--mid-scale: expected a number above 0, got ${c.midScale}`);
  const half = c.widths[0]! / 2;
  if (!Number.isInteger(half) || half - c.freqShift <= 0)
    throw new UsageError(
      `--widths: expected an even first width above ${2 * c.freqShift}, got ${c.widths[0]}`,
    );
  for (const { layer, outputs } of groupedWidths(c)) {
    const groups = layer === 'attention' ? (c.attentionGroups ?? c.groups) : c.groups;
    if (outputs % groups !== 0)
      throw new UsageError(
        `--groups: expected a divisor of all channels that are normalised, got ${groups} for ${outputs}`,
      );
  }
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new UsageError(`${name}: expected a whole number of ${least} or more, got ${value}`);
}

/** The levels going up, in the order they run, with the channels that each of their blocks reads: a concatenation. */
function upLevels({ widths, layers }: Unet2dConfig): { width: number; inputs: number[] }[] {
  const up = [...widths].reverse();
  return up.map((width, i) => {
    const below = up[i - 1] ?? width;
    const skip = up[i + 1] ?? width;
    const inputs = times(
      layers + 1,
      (k) => (k === 0 ? below : width) + (k === layers ? skip : width),
    );
    return { width, inputs };
  });
}

/** The channels that group norms see. */
function groupedWidths(c: Unet2dConfig): { layer: 'block' | 'attention'; outputs: number }[] {
  const block = (outputs: number) => ({ layer: 'block' as const, outputs });
  const middle = { layer: 'attention' as const, outputs: c.widths.at(-1)! };
  return [
    ...c.widths.map(block),
    ...upLevels(c).flatMap(({ inputs }) => inputs.map(block)),
    ...(c.mid && c.midAttention ? [middle] : []),
  ];
}

/** The network for images of `size` pixels square. */
export function buildUnet2d(c: Unet2dConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.channels);
  const first = c.widths[0]!;
  const last = c.widths.at(-1)!;
  const headDim = (width: number) => c.headDim ?? width;

  // Layers, in the order in which the class declares them.
  const convIn = g.declare.conv('conv_in', c.channels, first, 3);
  const embedTime = declareEmbedding('time_embedding', first);
  const embedClass = declareClasses();
  const downs = c.widths.map((width, i) => {
    const name = `down_blocks.${i}`;
    const attends = c.downAttention[i]!;
    const attentions = attends
      ? times(c.layers, (k) => attention(`${name}.attentions.${k}`, width))
      : [];
    const inputs = (k: number) => (k > 0 ? width : (c.widths[i - 1] ?? first));
    const blocks = times(c.layers, (k) => residual(`${name}.resnets.${k}`, inputs(k), width));
    const resample = i < c.widths.length - 1 && down(`${name}.downsamplers.0`, width, attends);
    return { blocks, attentions, resample };
  });
  // In the order of the state dict the ways up come before the middle.
  const ups = upLevels(c).map(({ width, inputs }, i) => {
    const name = `up_blocks.${i}`;
    const attends = c.upAttention[i]!;
    const attentions = inputs.map((_, k) => attends && attention(`${name}.attentions.${k}`, width));
    const blocks = inputs.map((count, k) => residual(`${name}.resnets.${k}`, count, width));
    const resample = i < c.widths.length - 1 && up(`${name}.upsamplers.0`, width, attends);
    return { blocks, attentions, resample };
  });
  const middle = c.mid ? declareMiddle() : undefined;
  const normOut = g.declare.groupNorm('conv_norm_out', first, c.groups, c.eps);
  const convOut = g.declare.conv('conv_out', first, c.channels, 3);

  // What is computed.
  const order = c.flipSinToCos ? 'cos-sin' : 'sin-cos';
  const sinusoid = (of: 'time' | 'label') =>
    g.sinusoid(of, first, { order, shift: c.freqShift, divide: 'after' });
  let embedding = embedTime(() => sinusoid('time'));
  if (embedClass) embedding = g.add(embedding, embedClass());
  /** Each residual block's layer for the time reads this. */
  const time = g.silu(embedding);
  const image = g.image();
  let h = g.conv(convIn, c.centerInput ? g.scale(image, 2, -1) : image);
  const skips = [h];
  for (const { blocks, attentions, resample } of downs) {
    for (const [k, block] of blocks.entries()) {
      h = block(h);
      const attend = attentions[k];
      if (attend) h = attend(h);
      skips.push(h);
    }
    if (!resample) continue;
    h = resample(h);
    skips.push(h);
  }
  if (middle) h = middle(h);
  for (const { blocks, attentions, resample } of ups) {
    for (const [k, block] of blocks.entries()) {
      h = block(g.concat(h, skips.pop()!));
      const attend = attentions[k];
      if (attend) h = attend(h);
    }
    if (resample) h = resample(h);
  }
  return g.build(g.conv(convOut, g.silu(g.norm(normOut, h))));

  /** Linear, SiLU, linear. */
  function declareEmbedding(name: string, inputs: number) {
    const linear1 = g.declare.linear(`${name}.linear_1`, inputs, c.timeDim);
    const linear2 = g.declare.linear(`${name}.linear_2`, c.timeDim, c.timeDim);
    return (x: () => Value) => g.linear(linear2, g.silu(g.linear(linear1, x())));
  }

  function declareClasses(): (() => Value) | undefined {
    if (c.classes === null) return undefined;
    if (c.classes === 'timestep') {
      const embed = declareEmbedding('class_embedding', first);
      return () => embed(() => sinusoid('label'));
    }
    const rows = g.declare.embedding('class_embedding', c.classes, c.timeDim);
    return () => g.embedding(rows);
  }

  function declareMiddle(): (x: Value) => Value {
    // With scale and shift the middle's attention has a norm only where its groups are given.
    const groups = c.attentionGroups ?? (c.timeScaleShift === 'default' ? c.groups : null);
    const attend = c.midAttention && attention('mid_block.attentions.0', last, groups, c.midScale);
    const [before, after] = times(2, (k) =>
      residual(`mid_block.resnets.${k}`, last, last, { divisor: c.midScale }),
    ) as [Block, Block];
    return (x) => {
      const y = before(x);
      return after(attend ? attend(y) : y);
    };
  }

  /** A residual block, which may change the resolution of what it reads. */
  function residual(
    name: string,
    inputs: number,
    outputs: number,
    { divisor = 1, resample = (x: Value) => x } = {},
  ): Block {
    const { declare } = g;
    const film = c.timeScaleShift === 'scale_shift';
    const norm1 = declare.groupNorm(`${name}.norm1`, inputs, c.groups, c.eps);
    const conv1 = declare.conv(`${name}.conv1`, inputs, outputs, 3);
    const timeLayer = declare.linear(
      `${name}.time_emb_proj`,
      c.timeDim,
      film ? 2 * outputs : outputs,
    );
    const norm2 = declare.groupNorm(`${name}.norm2`, outputs, c.groups, c.eps);
    const conv2 = declare.conv(`${name}.conv2`, outputs, outputs, 3);
    const shortcut =
      inputs !== outputs && declare.conv(`${name}.conv_shortcut`, inputs, outputs, 1);
    return (x) => {
      const t = g.linear(timeLayer, time, film ? [outputs, outputs] : [outputs]);
      let y = g.conv(conv1, resample(g.silu(g.norm(norm1, x))));
      y = film ? g.film(g.norm(norm2, y), t) : g.norm(norm2, g.add(y, t));
      y = g.dropout(c.dropout, g.silu(y));
      const straight = resample(x);
      const side = shortcut ? g.conv(shortcut, straight) : straight;
      return g.add(side, g.conv(conv2, y, side.parts), divisor);
    };
  }

  /** Self-attention over pixels, with a norm before it and a residual around it. */
  function attention(
    name: string,
    width: number,
    groups: number | null = c.groups,
    divisor = 1,
  ): Block {
    const { declare } = g;
    const dim = headDim(width);
    const heads = Math.floor(width / dim);
    const norm = groups !== null && declare.groupNorm(`${name}.group_norm`, width, groups, c.eps);
    const [q, k, v] = (['to_q', 'to_k', 'to_v'] as const).map((part) =>
      declare.linear(`${name}.${part}`, width, heads * dim),
    ) as [
      ReturnType<typeof declare.linear>,
      ReturnType<typeof declare.linear>,
      ReturnType<typeof declare.linear>,
    ];
    const out = declare.linear(`${name}.to_out.0`, heads * dim, width);
    return (x) => {
      const y = norm ? g.norm(norm, x) : x;
      const mixed = g.attention(name, g.linear(q, y), g.linear(k, y), g.linear(v, y), heads, dim);
      return g.add(x, g.linear(out, mixed, x.parts), divisor);
    };
  }

  function down(name: string, width: number, attends: boolean): Block {
    if (attends && c.downType === 'resnet')
      return residual(name, width, width, { resample: (x) => g.downsample(x) });
    const padding = c.downPadding === 1 ? ([1, 1] as const) : ([0, 1] as const);
    const conv = g.declare.conv(`${name}.conv`, width, width, 3, { stride: 2, padding });
    return (x) => g.conv(conv, x);
  }

  function up(name: string, width: number, attends: boolean): Block {
    if (attends && c.upType === 'resnet')
      return residual(name, width, width, { resample: (x) => g.upsample(x) });
    const conv = g.declare.conv(`${name}.conv`, width, width, 3);
    return (x) => g.conv(conv, g.upsample(x));
  }
}

/** Layers that are declared, to be used on an image. */
type Block = (x: Value) => Value;

const times = <T>(count: number, make: (k: number) => T): T[] =>
  Array.from({ length: count }, (_, k) => make(k));
