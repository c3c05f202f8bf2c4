import { F32 } from '../f32';
import { accumulateRows } from '../winograd/accumulate';
import { multiplyQuads } from '../winograd/multiply';
import { bounded, largestChannels } from './bound';
import { clearPadding, packColumns, packGroups, packPanels, unpackPanels } from './pack';
import { DEPTH, LOG2_E, QUERIES, up4, up8, weightStep } from './shape';
import { differentiate, differentiateBounded } from './softmax';

/**
 * Gradients of `attention` in one pass over each head, which overwrite dq, dk and dv. With P = softmax(S), S = scale · q · kᵀ:
 * dv = Pᵀ · dout, dS = P ∘ (dout · vᵀ − Σ dout·out), dq = scale · dS · k, dk = scale · dSᵀ · q.
 * The weights P are computed again from `saved`, with the same bits; one over their sums goes into dout. dk and dv sum
 * over the queries in order. All tensors as in `attention`; dq, dk and dv may be q, k and v. Items: images × heads.
 * @param scratch the worker's own, as large as `attentionBackwardScratch` of src/engine/attention.ts says
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
  const keys = up4(tokens);
  const step = weightStep(tokens);
  const deep = up4(width);
  const wide = up8(width);
  const kGroups = scratch;
  const vGroups = kGroups.at(keys * deep);
  const kPanels = vGroups.at(keys * deep);
  const dkPanels = kPanels.at(keys * wide);
  const dvPanels = dkPanels.at(keys * wide);
  const qPanels = dvPanels.at(keys * wide);
  const gPanels = qPanels.at(QUERIES * wide);
  const qColumns = gPanels.at(QUERIES * wide);
  const gColumns = qColumns.at(8 * deep);
  const scores = gColumns.at(8 * deep);
  const dots = scores.at(8 * keys);
  const weights = dots.at(8 * keys);
  const gradients = weights.at((QUERIES / 4) * step);
  const sums = gradients.at((QUERIES / 4) * step);
  const maxima = sums.at(8 * QUERIES);
  const factors = maxima.at(QUERIES);
  const means = factors.at(QUERIES);
  const units = means.at(QUERIES);
  const scales = units.at(QUERIES);
  const largest = scales.at(QUERIES);
  const none = changetype<F32>(0);
  for (let i: usize = 0; i < QUERIES; i++) {
    units[i] = <f32>(<f64>scale * LOG2_E);
    scales[i] = scale;
  }
  for (let item = begin; item < end; item++) {
    const head = item % heads;
    const image = (item / heads) * tokens;
    const channel = head * width;
    const kHead = k.at(image * kStride + channel);
    const vHead = v.at(image * vStride + channel);
    packGroups(kGroups, kHead, kStride, tokens, width);
    largestChannels(largest, kGroups, keys / 4, deep);
    packGroups(vGroups, vHead, vStride, tokens, width);
    packPanels(kPanels, 8 * keys, kHead, kStride, none, tokens, width);
    for (let first: usize = 0; first < tokens; first += QUERIES) {
      const rows = min(QUERIES, tokens - first);
      const qRows = q.at((image + first) * qStride + channel);
      const gRows = dout.at((image + first) * doutStride + channel);
      const oRows = out.at((image + first) * outStride + channel);
      const save = saved.at(item * 2 * tokens + first);
      for (let j: usize = 0; j < up8(rows); j++) {
        const i = min(j, rows - 1);
        maxima[j] = save[i];
        // Queries beyond the last count for nothing.
        factors[j] = j < rows ? save[tokens + i] : 0;
        means[j] = factors[j] * dot(gRows.at(i * doutStride), oRows.at(i * outStride), width);
      }
      packPanels(qPanels, 8 * QUERIES, qRows, qStride, scales, rows, width);
      packPanels(gPanels, 8 * QUERIES, gRows, doutStride, factors, rows, width);
      clearRows(qPanels, rows, wide);
      clearRows(gPanels, rows, wide);
      for (let j: usize = 0; j < rows; j += 8) {
        const some = min(8, rows - j);
        packColumns(qColumns, qRows.at(j * qStride), qStride, units, some, width);
        packColumns(gColumns, gRows.at(j * doutStride), doutStride, factors.at(j), some, width);
        const a = changetype<usize>(kGroups);
        const b = changetype<usize>(vGroups);
        const qB = changetype<usize>(qColumns);
        const gB = changetype<usize>(gColumns);
        multiplyQuads(scores, 32, a, 16 * deep, qB, deep, 48, keys / 4, 0);
        multiplyQuads(dots, 32, b, 16 * deep, gB, deep, 48, keys / 4, 0);
        const p = weights.at((j / 4) * step);
        const ds = gradients.at((j / 4) * step);
        const mean = means.at(j);
        if (bounded(qColumns, largest, deep))
          differentiateBounded(p, ds, step, scores, dots, mean, tokens);
        else differentiate(p, ds, step, scores, dots, maxima.at(j), mean, tokens);
      }
      const a = changetype<usize>(weights);
      const b = changetype<usize>(gradients);
      const jump = (step << 2) - 16;
      const to = dq.at((image + first) * dqStride + channel);
      for (let c: usize = 0; c < width; c += 8) {
        const gB = changetype<usize>(gPanels.at(c * QUERIES));
        const qB = changetype<usize>(qPanels.at(c * QUERIES));
        const more = <i32>first;
        multiplyQuads(dvPanels.at(c * keys), 32, a, 64, gB, up4(rows), jump, keys / 4, more);
        multiplyQuads(dkPanels.at(c * keys), 32, b, 64, qB, up4(rows), jump, keys / 4, more);
        for (let key: usize = 0; key < tokens; key += DEPTH) {
          const kB = changetype<usize>(kPanels.at(c * keys + 8 * key));
          const depth = min(DEPTH, tokens - key);
          accumulateRows(sums, b + 16 * key, step << 2, kB, depth, up4(rows), <i32>key);
        }
        unpackPanels(to.at(c), dqStride, sums, 0, scales, rows, min(8, width - c));
      }
    }
    unpackPanels(
      dk.at(image * dkStride + channel),
      dkStride,
      dkPanels,
      8 * keys,
      none,
      tokens,
      width,
    );
    unpackPanels(
      dv.at(image * dvStride + channel),
      dvStride,
      dvPanels,
      8 * keys,
      none,
      tokens,
      width,
    );
    if (head === heads - 1) {
      clearPadding(dq.at(image * dqStride), dqStride, tokens, heads * width, channels);
      clearPadding(dk.at(image * dkStride), dkStride, tokens, heads * width, channels);
      clearPadding(dv.at(image * dvStride), dvStride, tokens, heads * width, channels);
    }
  }
}

/** Zeros in the rows of a block of panels from `rows` to the next multiple of four. */
function clearRows(panels: F32, rows: usize, width: usize): void {
  const zero = f32x4.splat(0);
  for (let c: usize = 0; c < width; c += 8)
    for (let row = rows; row & 3; row++) {
      panels.setLanes(c * QUERIES + row * 8, zero);
      panels.setLanes(c * QUERIES + row * 8 + 4, zero);
    }
}

/** Σ a·b in f64. */
function dot(a: F32, b: F32, count: usize): f32 {
  let sum: f64 = 0;
  for (let i: usize = 0; i < count; i++) sum += <f64>a[i] * <f64>b[i];
  return <f32>sum;
}
