import { GraphBuilder } from './builder.js';
import type { DitConfig } from './dit-config.js';
import type { Graph, Value } from './graph.js';

/** Sinusoids that embed the timestep. */
const SINUSOIDS = 256;

/** Channels between a block's two linear layers, in widths. */
const EXPANSION = 4;

/** Of the norms except each block's second. */
const EPS = 1e-6;

/** The parts of a block's modulation. */
const SHIFT1 = 0;
const SCALE1 = 1;
const GATE1 = 2;
const SHIFT2 = 3;
const SCALE2 = 4;
const GATE2 = 5;

/** The network for square images of `size` pixels. */
export function buildDit(c: DitConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.channels);
  const width = c.widths[0]!;
  const split = (parts: number) => Array<number>(parts).fill(width);

  // Layers, in the order of the class's declarations.
  const embed = g.declare.patchLinear('pos_embed.proj', c.channels, c.patch, width);
  const blocks = Array.from({ length: c.depth }, (_, i) => block(`transformer_blocks.${i}`));
  const modulateOut = g.declare.linear('proj_out_1', width, 2 * width);
  const project = g.declare.linear('proj_out_2', width, c.patch ** 2 * c.channels);

  // The computation.
  const time = g.sinusoid('time', SINUSOIDS, { order: 'cos-sin', shift: 1, divide: 'after' });
  const conditions = blocks.map(({ condition }) => condition());
  const tokens = g.linear(embed, g.patches(g.image(), c.patch));
  let h = g.positions(tokens, Math.floor((c.baseSize ?? size) / c.patch));
  for (const [i, { apply }] of blocks.entries()) h = apply(h, conditions[i]!);
  const by = g.linear(modulateOut, conditions[0]!, split(2));
  const y = g.adaNorm(h, by, { shift: 0, scale: 1, eps: EPS });
  return g.build(g.pixels(g.linear(project, y), c.patch));

  function block(name: string) {
    const { declare } = g;
    const embedding = `${name}.norm1.emb`;
    const time1 = declare.linear(
      `${embedding}.timestep_embedder.linear_1`,
      ...([SINUSOIDS, width] as const),
    );
    const time2 = declare.linear(`${embedding}.timestep_embedder.linear_2`, width, width);
    const classes =
      c.numClasses !== null &&
      declare.embedding(`${embedding}.class_embedder.embedding_table`, c.numClasses, width);
    const modulate = declare.linear(`${name}.norm1.linear`, width, 6 * width);
    const q = declare.linear(`${name}.attn1.to_q`, width, width);
    const k = declare.linear(`${name}.attn1.to_k`, width, width);
    const v = declare.linear(`${name}.attn1.to_v`, width, width);
    const mixed = declare.linear(`${name}.attn1.to_out.0`, width, width);
    const wide = declare.linear(`${name}.ff.net.0.proj`, width, EXPANSION * width);
    const narrow = declare.linear(`${name}.ff.net.2`, EXPANSION * width, width);
    return {
      /** The embedded timestep and class, activated. */
      condition: (): Value => {
        const t = g.linear(time2, g.silu(g.linear(time1, time)));
        return g.silu(classes ? g.add(t, g.embedding(classes)) : t);
      },
      apply: (x: Value, condition: Value): Value => {
        const by = g.linear(modulate, condition, split(6));
        const y = g.adaNorm(x, by, { shift: SHIFT1, scale: SCALE1, eps: EPS });
        const attended = g.attention(
          `${name}.attn1`,
          ...([g.linear(q, y), g.linear(k, y), g.linear(v, y)] as const),
          ...([width / c.headDim, c.headDim] as const),
        );
        const first = g.gate(x, g.dropout(c.dropout, g.linear(mixed, attended)), by, GATE1);
        const z = g.adaNorm(first, by, { shift: SHIFT2, scale: SCALE2, eps: c.eps });
        const hidden = g.dropout(c.dropout, g.gelu(g.linear(wide, z)));
        return g.gate(first, g.linear(narrow, hidden), by, GATE2);
      },
    };
  }
}
