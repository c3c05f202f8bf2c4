/** Self-attention with TensorFlow's operations, with its gradient. */
import { join, multiply, permute, product, reduce, reshape, split, subtract } from './calls.js';
import { type Ops, one, scalar } from './ops.js';
import type { Tape } from './tape.js';

/** q, k and v are [batch, pixels, heads·headDim] in any shape. */
export interface Heads {
  readonly batch: number;
  readonly pixels: number;
  readonly heads: number;
  readonly headDim: number;
}

/** Largest number of attention weights to compute at once: 32 MB. */
const WEIGHTS = 2 ** 23;

/** Divides the batch into parts to attend at once, so that the weights between all pixels stay small. */
export function attentionParts({ batch, pixels, heads }: Heads): number[] {
  const images = Math.max(1, Math.floor(WEIGHTS / (heads * pixels ** 2)));
  const parts = Math.ceil(batch / images);
  return Array.from({ length: parts }, (_, i) => Math.min(images, batch - i * images));
}

/** One part, as [images, heads, pixels, headDim]; `q` is divided by √headDim. */
interface Part<V> {
  readonly q: V;
  readonly k: V;
  readonly v: V;
  /** softmax(q·kᵀ): [images, heads, pixels, pixels]. */
  readonly weights: V;
  readonly out: V;
}

/**
 * softmax(q·kᵀ/√headDim)·v, in the shape of q. Of several parts only one is in memory at a time, and the backward pass recomputes
 * its weights; those of a single part are kept.
 */
export function attention<V>(
  tape: Tape<V>,
  [q, k, v]: readonly [V, V, V],
  of: Heads,
  shape: readonly number[],
  lengths: readonly number[] = attentionParts(of),
): V {
  const { ops } = tape;
  const root = scalar(ops, 1 / Math.sqrt(of.headDim));
  const cut = (x: V) => cutParts(ops, toHeads(ops, x, of), lengths);
  const glue = (parts: readonly V[]) =>
    fromHeads(ops, parts.length > 1 ? join(ops, parts, 0) : parts[0]!, of, shape);
  const [qs, ks, vs] = [cut(multiply(ops, q, root)), cut(k), cut(v)];

  const parts: Part<V>[] = [];
  for (const [i, part] of qs.entries()) {
    const first = ops.after(
      part,
      parts.slice(-1).map(({ out }) => out),
    );
    const weights = softmax(ops, first, ks[i]!);
    const out = product(ops, weights, vs[i]!);
    parts.push({ q: part, k: ks[i]!, v: vs[i]!, weights, out });
  }
  return tape.record(glue(parts.map(({ out }) => out)), (dy) => {
    const gradients: [V, V, V][] = [];
    for (const [i, dOut] of cut(dy).entries()) {
      const after = gradients.at(-1) ?? [];
      gradients.push(backward(ops, parts[i]!, ops.after(dOut, after), lengths.length === 1));
    }
    const [dq, dk, dv] = [0, 1, 2].map((i) => glue(gradients.map((each) => each[i]!)));
    tape.give(q, multiply(ops, dq!, root));
    tape.give(k, dk!);
    tape.give(v, dv!);
  });
}

const softmax = <V>(ops: Ops<V>, q: V, k: V): V => one(ops, 'Softmax', [product(ops, q, k, 'y')]);

/** The gradients of q, k and v; that of the scores is weights·(dWeights − Σ dOut·out), the sum over a head's channels. */
function backward<V>(ops: Ops<V>, part: Part<V>, dOut: V, kept: boolean): [V, V, V] {
  const { q, k, v, out } = part;
  const weights = kept ? part.weights : softmax(ops, ops.after(q, [dOut]), k);
  const sums = reduce(ops, 'Sum', multiply(ops, dOut, out), [3], true);
  const excess = subtract(ops, product(ops, dOut, v, 'y'), sums);
  const dScores = multiply(ops, weights, excess);
  return [
    product(ops, dScores, k),
    product(ops, dScores, q, 'x'),
    product(ops, weights, dOut, 'x'),
  ];
}

/** To [batch, heads, pixels, headDim]. */
function toHeads<V>(ops: Ops<V>, x: V, { batch, pixels, heads, headDim }: Heads): V {
  if (heads === 1) return reshape(ops, x, [batch, 1, pixels, headDim]);
  return permute(ops, reshape(ops, x, [batch, pixels, heads, headDim]), [0, 2, 1, 3]);
}

/** And back. */
function fromHeads<V>(ops: Ops<V>, x: V, { heads }: Heads, shape: readonly number[]): V {
  return reshape(ops, heads === 1 ? x : permute(ops, x, [0, 2, 1, 3]), shape);
}

const cutParts = <V>(ops: Ops<V>, x: V, lengths: readonly number[]): V[] =>
  lengths.length > 1 ? split(ops, x, lengths, 0) : [x];
