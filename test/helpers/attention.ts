import type { Attention } from '../../src/engine/attention.js';

/*
 * Attention in f64, written as the formulas are, over dense tensors [images][tokens][heads · width].
 */

export interface Inputs {
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
}

const at = ({ tokens, heads, width }: Attention, image: number, token: number, head: number) =>
  ((image * tokens + token) * heads + head) * width;

const dot = (a: Float64Array, i: number, b: Float64Array, j: number, width: number): number => {
  let sum = 0;
  for (let c = 0; c < width; c++) sum += a[i + c]! * b[j + c]!;
  return sum;
};

/** Calls `body` for each query, with where its row and those of the keys begin, and its weights: the softmax of the scores. */
function eachQuery(
  s: Attention,
  { q, k }: Inputs,
  scale: number,
  body: (row: number, keys: number[], weights: number[]) => void,
): void {
  for (let image = 0; image < s.images; image++)
    for (let head = 0; head < s.heads; head++) {
      const rows = Array.from({ length: s.tokens }, (_, token) => at(s, image, token, head));
      for (const row of rows) {
        const scores = rows.map((key) => scale * dot(q, row, k, key, s.width));
        const most = scores.reduce((a, b) => Math.max(a, b));
        const powers = scores.map((score) => Math.exp(score - most));
        const sum = powers.reduce((a, b) => a + b);
        body(
          row,
          rows,
          powers.map((p) => p / sum),
        );
      }
    }
}

/** out = softmax(scale · q · kᵀ) · v of each head. */
export function attend(s: Attention, inputs: Inputs, scale: number): Float64Array {
  const out = new Float64Array(inputs.q.length);
  eachQuery(s, inputs, scale, (row, keys, weights) => {
    for (const [i, key] of keys.entries())
      for (let c = 0; c < s.width; c++) out[row + c]! += weights[i]! * inputs.v[key + c]!;
  });
  return out;
}

/** The gradients of Σ dout · out. */
export function attendBackward(
  s: Attention,
  inputs: Inputs,
  dout: Float64Array,
  scale: number,
): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const { q, k, v } = inputs;
  const [dq, dk, dv] = [q, k, v].map((x) => new Float64Array(x.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  eachQuery(s, inputs, scale, (row, keys, weights) => {
    const dots = keys.map((key) => dot(dout, row, v, key, s.width));
    const mean = dots.reduce((sum, d, i) => sum + d * weights[i]!, 0);
    for (const [i, key] of keys.entries()) {
      const slope = scale * weights[i]! * (dots[i]! - mean);
      for (let c = 0; c < s.width; c++) {
        dv[key + c]! += weights[i]! * dout[row + c]!;
        dq[row + c]! += slope * k[key + c]!;
        dk[key + c]! += slope * q[row + c]!;
      }
    }
  });
  return { dq, dk, dv };
}
