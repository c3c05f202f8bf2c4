import { GraphBuilder } from './builder.js';
import type { Graph, Value } from './graph.js';
import { type Block, selfAttention } from './self-attention.js';
import { times, type Unet2dConfig, upLevels } from './unet2d-config.js';

/** The network for square images of `size` pixels. */
export function buildUnet2d(c: Unet2dConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.channels);
  const first = c.widths[0]!;
  const last = c.widths.at(-1)!;

  // Layers, in the order of the class's declarations.
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
  // In the state dict the way up comes before the middle.
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

  // The computation.
  const order = c.flipSinToCos ? 'cos-sin' : 'sin-cos';
  const sinusoid = (of: 'time' | 'label') =>
    g.sinusoid(of, first, { order, shift: c.freqShift, divide: 'after' });
  let embedding = embedTime(() => sinusoid('time'));
  if (embedClass) embedding = g.add(embedding, embedClass());
  /** Read by the time layer of each residual block. */
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
    if (c.numClasses === null) return undefined;
    if (c.numClasses === 'timestep') {
      const embed = declareEmbedding('class_embedding', first);
      return () => embed(() => sinusoid('label'));
    }
    const rows = g.declare.embedding('class_embedding', c.numClasses, c.timeDim);
    return () => g.embedding(rows);
  }

  function declareMiddle(): (x: Value) => Value {
    // With scale and shift, the middle's attention has a norm only if its groups are given.
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

  /** A residual block, which may change the resolution of its input. */
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

  function attention(
    name: string,
    width: number,
    groups: number | null = c.groups,
    divisor = 1,
  ): Block {
    const dim = c.headDim ?? width;
    const norm = groups === null ? null : { groups, eps: c.eps };
    const heads = Math.floor(width / dim);
    return selfAttention(g, name, { width, heads, headDim: dim, norm, divisor });
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
