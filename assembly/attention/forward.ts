import { F32 } from '../f32';
import { accumulateRows } from '../winograd/accumulate';
import { Fours, RowsByEight } from '../winograd/layouts';
import { multiplyQuads } from '../winograd/multiply';
import { bounded, largestChannels } from './bound';
import { clearPadding, packColumns, packGroups, packPanels, unpackPanels } from './pack';
import { DEPTH, HEADER, QUERIES, up4, up8, weightStep } from './shape';
import { exponentiate, exponentiateBounded, greatest } from './softmax';

/**
 * Scaled dot-product attention (Vaswani et al., 2017, eq. 1) of each head: out = softmax(scale · q · kᵀ) · v.
 * q, k, v, out: f32 [images][tokens][stride], each with its own stride; head h has the channels [h·width, (h+1)·width), and
 * those from heads·width to `channels` are set to 0 in out. out may alias q.
 * saved: f32 [images][heads][2][tokens] for the backward pass, or null: what is subtracted from each query's scores (in units
 * of log 2), and the inverse of the sum of the exponentials. Items: images × heads × blocks of 48 queries, the block fastest. Only
 * the scores of one block are in memory at a time.
 * @param width channels per head: any number
 * @param scratch the worker's own, of the size given by `attentionScratch` in src/engine/attention.ts
 */
export function attention(
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
  const block = changetype<Block>(scratch);
  block.place(scratch.at(HEADER), tokens, width, scale);
  const blocks = (tokens + QUERIES - 1) / QUERIES;
  let packed: usize = -1;
  for (let item = begin; item < end; item++) {
    const which = item / blocks;
    const first = (item % blocks) * QUERIES;
    const rows = min(QUERIES, tokens - first);
    const channel = (which % heads) * width;
    const image = (which / heads) * tokens;
    const row = image + first;
    if (which !== packed) {
      packed = which;
      block.take(
        k.at(image * kStride + channel),
        kStride,
        v.at(image * vStride + channel),
        vStride,
      );
    }
    block.weigh(q.at(row * qStride + channel), qStride, rows);
    block.sum(out.at(row * outStride + channel), outStride, rows);
    if (channel + width === heads * width)
      clearPadding(out.at(row * outStride), outStride, rows, heads * width, channels);
    if (changetype<usize>(saved)) block.save(saved.at(which * 2 * tokens + first), rows);
  }
}

/** A block of queries and their head, in a worker's scratch. */
@unmanaged
class Block {
  tokens: usize;
  width: usize;
  /** Tokens and width in whole groups of four. */
  keys: usize;
  deep: usize;
  /** Floats from the weights of eight queries to the next. */
  step: usize;
  /** The keys, and the largest in each channel; the values. */
  groups: F32;
  largest: F32;
  panels: F32;
  /** Eight queries, and the factors they are multiplied by; their scores. */
  columns: F32;
  units: F32;
  scores: F32;
  /** For all queries: weights, eight channels of their weighted sums, maxima, inverses of the sums. */
  weights: F32;
  sums: F32;
  maxima: F32;
  factors: F32;

  /** Lays the arrays out. */
  place(at: F32, tokens: usize, width: usize, scale: f32): void {
    this.tokens = tokens;
    this.width = width;
    this.keys = up4(tokens);
    this.deep = up4(width);
    this.step = weightStep(tokens);
    // First, as their layout in products wants them aligned to 32 bytes.
    this.weights = at;
    this.groups = this.weights.at((QUERIES / 8) * this.step);
    this.largest = this.groups.at(this.keys * this.deep);
    this.panels = this.largest.at(this.deep);
    this.columns = this.panels.at(this.keys * up8(width));
    this.units = this.columns.at(8 * this.deep);
    this.scores = this.units.at(8);
    this.sums = this.scores.at(8 * this.keys);
    this.maxima = this.sums.at(8 * QUERIES);
    this.factors = this.maxima.at(QUERIES);
    for (let i: usize = 0; i < 8; i++) this.units[i] = <f32>(<f64>scale * Math.LOG2E);
  }

  /** Loads the keys and values of a head. */
  take(k: F32, kStride: usize, v: F32, vStride: usize): void {
    packGroups(this.groups, k, kStride, this.tokens, this.width);
    largestChannels(this.largest, this.groups, this.keys / 4, this.deep);
    const one = changetype<F32>(0);
    packPanels(this.panels, 8 * this.keys, v, vStride, one, this.tokens, this.width);
  }

  /** Computes the weights of the block's queries, and the inverses of their sums. */
  weigh(q: F32, qStride: usize, rows: usize): void {
    const scores = this.scores;
    const deep = this.deep;
    const a = changetype<usize>(this.groups);
    const b = changetype<usize>(this.columns);
    for (let j: usize = 0; j < rows; j += 8) {
      packColumns(
        this.columns,
        q.at(j * qStride),
        qStride,
        this.units,
        min(8, rows - j),
        this.width,
      );
      multiplyQuads<Fours>(scores, 32, a, 16 * deep, b, deep, 48, this.keys / 4, 0);
      const weights = this.weights.at((j / 8) * this.step);
      const maxima = this.maxima.at(j);
      const sums = this.factors.at(j);
      if (bounded(this.columns, this.largest, deep)) {
        maxima.setLanes(0, f32x4.splat(0));
        maxima.setLanes(4, f32x4.splat(0));
        exponentiateBounded(weights, sums, scores, this.tokens);
      } else {
        greatest(maxima, scores, this.keys);
        exponentiate(weights, sums, scores, maxima, this.tokens);
      }
    }
    for (let j: usize = 0; j < rows; j++) this.factors[j] = 1 / this.factors[j];
  }

  /** Sums the values by their weights. */
  sum(out: F32, stride: usize, rows: usize): void {
    for (let c: usize = 0; c < this.width; c += 8) {
      for (let key: usize = 0; key < this.tokens; key += DEPTH) {
        const a = changetype<usize>(this.weights.at(8 * key));
        const b = changetype<usize>(this.panels.at(c * this.keys + 8 * key));
        const depth = min(DEPTH, this.tokens - key);
        accumulateRows<RowsByEight>(this.sums, a, this.step << 2, b, depth, up4(rows), <i32>key);
      }
      unpackPanels(out.at(c), stride, this.sums, 0, this.factors, rows, min(8, this.width - c));
    }
  }

  save(saved: F32, rows: usize): void {
    for (let j: usize = 0; j < rows; j++) {
      saved[j] = this.maxima[j];
      saved[this.tokens + j] = this.factors[j];
    }
  }
}
