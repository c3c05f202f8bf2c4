import { F32 } from '../f32';
import { accumulateRows } from '../winograd/accumulate';
import { multiplyQuads } from '../winograd/multiply';
import { bounded, largestChannels } from './bound';
import { clearPadding, packColumns, packGroups, packPanels, unpackPanels } from './pack';
import { DEPTH, LOG2_E, QUERIES, up4, up8, weightStep } from './shape';
import { exponentiate, exponentiateBounded, greatest } from './softmax';

/**
 * Scaled dot-product attention (Vaswani et al., 2017, eq. 1) of each head: out = softmax(scale · q · kᵀ) · v.
 * q, k, v, out: f32 [images][tokens][stride] with strides of their own; head h has the channels [h·width, (h+1)·width), and
 * those from heads·width to `channels` are set to 0 in out. out may be q.
 * saved: f32 [images][heads][2][tokens] for the backward pass, or null: the maximum of each query's scores (in units of
 * log 2), and one over the sum of the exponentials. Items: images × heads × blocks of 48 queries, the block fastest. The
 * scores of a block are all there is of them at a time.
 * @param width of a head: any number of channels
 * @param scratch the worker's own, as large as `attentionScratch` of src/engine/attention.ts says
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
  const keys = up4(tokens);
  const step = weightStep(tokens);
  const deep = up4(width);
  const groups = scratch;
  const panels = groups.at(keys * deep);
  const columns = panels.at(keys * up8(width));
  const scores = columns.at(8 * deep);
  const weights = scores.at(8 * keys);
  const sums = weights.at((QUERIES / 4) * step);
  const maxima = sums.at(8 * QUERIES);
  const factors = maxima.at(QUERIES);
  const units = factors.at(QUERIES);
  const largest = units.at(8);
  for (let i: usize = 0; i < 8; i++) units[i] = <f32>(<f64>scale * LOG2_E);
  const blocks = (tokens + QUERIES - 1) / QUERIES;
  let packed: usize = -1;
  for (let item = begin; item < end; item++) {
    const which = item / blocks;
    const first = (item % blocks) * QUERIES;
    const rows = min(QUERIES, tokens - first);
    const head = which % heads;
    const row = (which / heads) * tokens;
    if (which !== packed) {
      packed = which;
      packGroups(groups, k.at(row * kStride + head * width), kStride, tokens, width);
      largestChannels(largest, groups, keys / 4, deep);
      const from = v.at(row * vStride + head * width);
      packPanels(panels, 8 * keys, from, vStride, changetype<F32>(0), tokens, width);
    }
    for (let j: usize = 0; j < rows; j += 8) {
      const from = q.at((row + first + j) * qStride + head * width);
      packColumns(columns, from, qStride, units, min(8, rows - j), width);
      const a = changetype<usize>(groups);
      const b = changetype<usize>(columns);
      multiplyQuads(scores, 32, a, 16 * deep, b, deep, 48, keys / 4, 0);
      const to = weights.at((j / 4) * step);
      if (bounded(columns, largest, deep)) {
        maxima.setLanes(j, f32x4.splat(0));
        maxima.setLanes(j + 4, f32x4.splat(0));
        exponentiateBounded(to, step, factors.at(j), scores, tokens);
      } else {
        greatest(maxima.at(j), scores, keys);
        exponentiate(to, step, factors.at(j), scores, maxima.at(j), tokens);
      }
    }
    for (let j: usize = 0; j < rows; j++) factors[j] = 1 / factors[j];
    const to = out.at((row + first) * outStride + head * width);
    for (let c: usize = 0; c < width; c += 8) {
      for (let key: usize = 0; key < tokens; key += DEPTH) {
        const a = changetype<usize>(weights.at(4 * key));
        const b = changetype<usize>(panels.at(c * keys + 8 * key));
        const depth = min(DEPTH, tokens - key);
        accumulateRows(sums, a, step << 2, b, depth, up4(rows), <i32>key);
      }
      unpackPanels(to.at(c), outStride, sums, 0, factors, rows, min(8, width - c));
    }
    if (head === heads - 1)
      clearPadding(out.at((row + first) * outStride), outStride, rows, heads * width, channels);
    if (changetype<usize>(saved)) {
      const at = saved.at(which * 2 * tokens + first);
      for (let j: usize = 0; j < rows; j++) at[j] = maxima[j];
      for (let j: usize = 0; j < rows; j++) at[tokens + j] = factors[j];
    }
  }
}
