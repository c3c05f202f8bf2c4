import { F32 } from '../f32';
import { accumulateRows } from '../winograd/accumulate';
import { Eights, Fours, RowsByEight } from '../winograd/layouts';
import { multiplyQuads } from '../winograd/multiply';
import { bounded, largestChannels } from './bound';
import { clearPadding, packColumns, packGroups, packPanels, unpackPanels } from './pack';
import { DEPTH, HEADER, QUERIES, up4, up8, weightStep } from './shape';
import { differentiate, differentiateBounded } from './softmax';

/**
 * Gradients of `attention` in one pass over each head, which overwrites dq, dk and dv. With S = scale · q · kᵀ, P = softmax(S):
 * dv = Pᵀ · dout, dS = P ∘ (dout · vᵀ − Σ dout·out), dq = scale · dS · k, dk = scale · dSᵀ · q.
 * The weights P are recomputed from `saved`, with the same bits; the inverses of their sums are applied to dout. dk and dv sum
 * over the queries in order. All tensors as in `attention`; dq, dk and dv may alias q, k and v. Items: images × heads.
 * @param scratch the worker's own, of the size given by `attentionBackwardScratch` in src/engine/attention.ts
 */
export function attentionBackward(
  dq: F32,
  dqStride: usize,
  dk: F32,
  dkStride: usize,
  dv: F32,
  dvStride: usize,
  dout: F32,
  doutStride: usize,
  out: F32,
  outStride: usize,
  saved: F32,
  q: F32,
  qStride: usize,
  k: F32,
  kStride: usize,
  v: F32,
  vStride: usize,
  tokens: usize,
  heads: usize,
  width: usize,
  channels: usize,
  scale: f32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const head = changetype<Head>(scratch);
  head.place(scratch.at(HEADER), tokens, width, scale);
  for (let item = begin; item < end; item++) {
    const channel = (item % heads) * width;
    const image = (item / heads) * tokens;
    head.take(k.at(image * kStride + channel), kStride, v.at(image * vStride + channel), vStride);
    for (let first: usize = 0; first < tokens; first += QUERIES) {
      const rows = min(QUERIES, tokens - first);
      const row = image + first;
      const qRows = q.at(row * qStride + channel);
      const gRows = dout.at(row * doutStride + channel);
      head.recall(saved.at(item * 2 * tokens + first), rows);
      head.dots(gRows, doutStride, out.at(row * outStride + channel), outStride, rows);
      head.weigh(qRows, qStride, gRows, doutStride, rows);
      head.addToKeys(qRows, qStride, gRows, doutStride, rows, <i32>first);
      head.sumQueries(dq.at(row * dqStride + channel), dqStride, rows);
    }
    head.give(head.dKeys, dk.at(image * dkStride + channel), dkStride);
    head.give(head.dValues, dv.at(image * dvStride + channel), dvStride);
    if (channel + width === heads * width) {
      clearPadding(dq.at(image * dqStride), dqStride, tokens, heads * width, channels);
      clearPadding(dk.at(image * dkStride), dkStride, tokens, heads * width, channels);
      clearPadding(dv.at(image * dvStride), dvStride, tokens, heads * width, channels);
    }
  }
}

/** A head and a block of its queries, in a worker's scratch. */
@unmanaged
class Head {
  tokens: usize;
  width: usize;
  /** Tokens and width in whole groups of four, and width in panels of eight. */
  keys: usize;
  deep: usize;
  wide: usize;
  /** Floats from the weights of eight queries to the next. */
  step: usize;
  /** The keys and values to multiply the columns with; the keys to sum for dq, and the largest in each channel. */
  kGroups: F32;
  vGroups: F32;
  kPanels: F32;
  largest: F32;
  /** dk and dv so far. */
  dKeys: F32;
  dValues: F32;
  /** The block's queries and dout, to sum for dk and dv. */
  qPanels: F32;
  gPanels: F32;
  /** Eight of them, to multiply with keys and values, and the products. */
  qColumns: F32;
  gColumns: F32;
  scores: F32;
  products: F32;
  /** P of the block, without the division by its sums, and dS; eight channels of its dq. */
  weights: F32;
  slopes: F32;
  sums: F32;
  /** For each query: what is subtracted from its scores, the inverse of its sum, Σ dout·out times that inverse. */
  maxima: F32;
  factors: F32;
  means: F32;
  /** `scale` for each query, and in units of log 2. */
  scales: F32;
  units: F32;

  /** Lays the arrays out. */
  place(at: F32, tokens: usize, width: usize, scale: f32): void {
    this.tokens = tokens;
    this.width = width;
    this.keys = up4(tokens);
    this.deep = up4(width);
    this.wide = up8(width);
    this.step = weightStep(tokens);
    // First, as their layout in products wants them aligned to 32 bytes.
    this.weights = at;
    this.slopes = this.weights.at((QUERIES / 8) * this.step);
    this.kGroups = this.slopes.at((QUERIES / 8) * this.step);
    this.vGroups = this.kGroups.at(this.keys * this.deep);
    this.kPanels = this.vGroups.at(this.keys * this.deep);
    this.largest = this.kPanels.at(this.keys * this.wide);
    this.dKeys = this.largest.at(this.deep);
    this.dValues = this.dKeys.at(this.keys * this.wide);
    this.qPanels = this.dValues.at(this.keys * this.wide);
    this.gPanels = this.qPanels.at(QUERIES * this.wide);
    this.qColumns = this.gPanels.at(QUERIES * this.wide);
    this.gColumns = this.qColumns.at(8 * this.deep);
    this.scores = this.gColumns.at(8 * this.deep);
    this.products = this.scores.at(8 * this.keys);
    this.sums = this.products.at(8 * this.keys);
    this.maxima = this.sums.at(8 * QUERIES);
    this.factors = this.maxima.at(QUERIES);
    this.means = this.factors.at(QUERIES);
    this.scales = this.means.at(QUERIES);
    this.units = this.scales.at(QUERIES);
    for (let i: usize = 0; i < QUERIES; i++) this.scales[i] = scale;
    for (let i: usize = 0; i < 8; i++) this.units[i] = <f32>(<f64>scale * Math.LOG2E);
  }

  /** Loads the keys and values of a head. */
  take(k: F32, kStride: usize, v: F32, vStride: usize): void {
    packGroups(this.kGroups, k, kStride, this.tokens, this.width);
    packGroups(this.vGroups, v, vStride, this.tokens, this.width);
    const one = changetype<F32>(0);
    packPanels(this.kPanels, 8 * this.keys, k, kStride, one, this.tokens, this.width);
    largestChannels(this.largest, this.kGroups, this.keys / 4, this.deep);
  }

  /** Loads what `attention` saved for a block. Padding queries, to whole vectors, have no effect. */
  recall(saved: F32, rows: usize): void {
    for (let j: usize = 0; j < up8(rows); j++) {
      this.maxima[j] = saved[min(j, rows - 1)];
      this.factors[j] = j < rows ? saved[this.tokens + j] : 0;
    }
  }

  /** Σ dout·out of each query, times the inverse of its sum. */
  dots(g: F32, gStride: usize, out: F32, outStride: usize, rows: usize): void {
    for (let j: usize = 0; j < up8(rows); j++) {
      const row = min(j, rows - 1);
      const sum = dot(g.at(row * gStride), out.at(row * outStride), this.width);
      this.means[j] = <f32>(sum * <f64>this.factors[j]);
    }
  }

  /** Computes P and dS of the block. */
  weigh(q: F32, qStride: usize, g: F32, gStride: usize, rows: usize): void {
    for (let j: usize = 0; j < rows; j += 8) {
      const some = min(8, rows - j);
      const factors = this.factors.at(j);
      packColumns(this.qColumns, q.at(j * qStride), qStride, this.units, some, this.width);
      packColumns(this.gColumns, g.at(j * gStride), gStride, factors, some, this.width);
      this.multiply(this.scores, this.kGroups, this.qColumns);
      this.multiply(this.products, this.vGroups, this.gColumns);
      const weights = this.weights.at((j / 8) * this.step);
      const slopes = this.slopes.at((j / 8) * this.step);
      const means = this.means.at(j);
      if (bounded(this.qColumns, this.largest, this.deep))
        differentiateBounded(weights, slopes, this.scores, this.products, means, this.tokens);
      else
        differentiate(
          weights,
          slopes,
          this.scores,
          this.products,
          this.maxima.at(j),
          means,
          this.tokens,
        );
    }
  }

  /** to [keys][8] = rows of the head by eight columns. */
  multiply(to: F32, groups: F32, columns: F32): void {
    const a = changetype<usize>(groups);
    const b = changetype<usize>(columns);
    multiplyQuads<Fours>(to, 32, a, 16 * this.deep, b, this.deep, 48, this.keys / 4, 0);
  }

  /** The block's contribution to dk and dv; overwrites them where `more` is 0. */
  addToKeys(q: F32, qStride: usize, g: F32, gStride: usize, rows: usize, more: i32): void {
    packPanels(this.qPanels, 8 * QUERIES, q, qStride, this.scales, rows, this.width);
    packPanels(this.gPanels, 8 * QUERIES, g, gStride, this.factors, rows, this.width);
    clearRows(this.qPanels, rows, this.wide);
    clearRows(this.gPanels, rows, this.wide);
    for (let c: usize = 0; c < this.width; c += 8) {
      const to = c * this.keys;
      this.accumulate(this.dValues.at(to), this.weights, this.gPanels.at(c * QUERIES), rows, more);
      this.accumulate(this.dKeys.at(to), this.slopes, this.qPanels.at(c * QUERIES), rows, more);
    }
  }

  /** to [keys][8] (+)= the block's weights or slopes by eight channels of its rows. */
  accumulate(to: F32, weights: F32, panel: F32, rows: usize, more: i32): void {
    const a = changetype<usize>(weights);
    const b = changetype<usize>(panel);
    multiplyQuads<Eights>(to, 32, a, 128, b, up4(rows), (this.step << 2) - 32, this.keys / 4, more);
  }

  /** dq of the block. */
  sumQueries(dq: F32, stride: usize, rows: usize): void {
    for (let c: usize = 0; c < this.width; c += 8) {
      for (let key: usize = 0; key < this.tokens; key += DEPTH) {
        const a = changetype<usize>(this.slopes.at(8 * key));
        const b = changetype<usize>(this.kPanels.at(c * this.keys + 8 * key));
        const depth = min(DEPTH, this.tokens - key);
        accumulateRows<RowsByEight>(this.sums, a, this.step << 2, b, depth, up4(rows), <i32>key);
      }
      unpackPanels(dq.at(c), stride, this.sums, 0, this.scales, rows, min(8, this.width - c));
    }
  }

  /** Writes dk or dv. */
  give(panels: F32, to: F32, stride: usize): void {
    const one = changetype<F32>(0);
    unpackPanels(to, stride, panels, 8 * this.keys, one, this.tokens, this.width);
  }
}

/** Zeros the rows of a block of panels from `rows` to the next multiple of four. */
function clearRows(panels: F32, rows: usize, width: usize): void {
  const zero = f32x4.splat(0);
  for (let c: usize = 0; c < width; c += 8)
    for (let row = rows; row & 3; row++) {
      panels.setLanes(c * QUERIES + row * 8, zero);
      panels.setLanes(c * QUERIES + row * 8 + 4, zero);
    }
}

function dot(a: F32, b: F32, count: usize): f64 {
  let sum: f64 = 0;
  for (let i: usize = 0; i < count; i++) sum += <f64>a[i] * <f64>b[i];
  return sum;
}
