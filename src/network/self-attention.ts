import type { GraphBuilder } from './builder.js';
import type { LinearLayer, Value } from './graph.js';

/** Declared layers, to be applied to an image. */
export type Block = (x: Value) => Value;

export interface SelfAttentionOptions {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  /** Of the norm before it; null: none. */
  readonly norm: { readonly groups: number; readonly eps: number } | null;
  /** Of the sum with its input; default 1. */
  readonly divisor?: number;
}

/** Declares diffusers' self-attention over pixels: a norm, attention, and a residual connection around both. */
export function selfAttention(
  g: GraphBuilder,
  name: string,
  { width, heads, headDim, norm, divisor = 1 }: SelfAttentionOptions,
): Block {
  const { declare } = g;
  const before = norm && declare.groupNorm(`${name}.group_norm`, width, norm.groups, norm.eps);
  const [q, k, v] = (['to_q', 'to_k', 'to_v'] as const).map((part) =>
    declare.linear(`${name}.${part}`, width, heads * headDim),
  ) as [LinearLayer, LinearLayer, LinearLayer];
  const out = declare.linear(`${name}.to_out.0`, heads * headDim, width);
  return (x) => {
    const y = before ? g.norm(before, x) : x;
    const mixed = g.attention(name, g.linear(q, y), g.linear(k, y), g.linear(v, y), heads, headDim);
    return g.add(x, g.linear(out, mixed, x.parts), divisor);
  };
}
