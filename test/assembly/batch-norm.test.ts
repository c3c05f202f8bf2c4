import type { Pointer } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { close, eachSplit, values } from '../helpers/kernels.js';

/*
 * Sums of n values of about 1 in f32, in blocks of at most 256, and the rest in f64: errors stay below 256 · 2⁻²⁴ = 1.5e-5
 * of the sum of absolute values, and in practice ten times below that.
 */
const RTOL = 1e-5;
const EPS = 1e-5;

interface Size {
  readonly images: number;
  readonly pixels: number;
  readonly channels: number;
}

/** One row, less than a block, a block, and several with a rest. */
const SIZES: readonly Size[] = [
  { images: 1, pixels: 1, channels: 8 },
  { images: 3, pixels: 25, channels: 24 },
  { images: 1, pixels: 256, channels: 8 },
  { images: 5, pixels: 121, channels: 16 },
  { images: 2, pixels: 300, channels: 24 },
];

/** What ReLU would let through, far from zero so that a bad variance would show. */
const activations = (length: number) =>
  values(length, 1).map((v) => Math.max(0, v) + 10 * Number(v > 0));

/** Mean, variance and 1/σ of each channel, in f64. */
function moments(r: Float32Array, channels: number) {
  const rows = r.length / channels;
  return Array.from({ length: channels }, (_, c) => {
    const column = r.filter((_, i) => i % channels === c);
    const mean = column.reduce((sum, v) => sum + v, 0) / rows;
    const variance = column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows;
    return { mean, variance, inverse: 1 / Math.sqrt(variance + EPS) };
  });
}

/** Sums over each `rows` rows, f64. */
function columnSums(x: Float32Array, rows: number, channels: number): Float64Array {
  const sums = new Float64Array(x.length / rows);
  for (const [i, v] of x.entries())
    sums[Math.floor(i / channels / rows) * channels + (i % channels)]! += v;
  return sums;
}

for (const { images, pixels, channels } of SIZES) {
  const rows = images * pixels;
  const blocks = Math.ceil(rows / 256);
  const size = `${images}x${pixels} rows of ${channels}`;
  const weight = values(channels, 2);
  const bias = values(channels, 3);

  eachSplit(
    `batchNorm normalises ${size} and moves the running statistics as PyTorch does`,
    (t, bench) => {
      const r = activations(rows * channels);
      const expected = moments(r, channels);
      const [affine, saved] = [bench.alloc(8 * channels), bench.alloc(8 * channels)];
      const partial = bench.alloc(8 * blocks * channels);
      const [mean, variance] = [values(channels, 4), values(channels, 5).map(Math.abs)];
      const [runningMean, runningVar] = [bench.put(mean), bench.put(variance)];
      const at = { r: bench.put(r), weight: bench.put(weight), bias: bench.put(bias) };
      bench.run('batchNormMoments', [partial, at.r, rows, channels], blocks);
      const finish = (momentum: number) =>
        bench.run(
          'batchNormFinish',
          [
            ...tuple(affine, saved, runningMean, runningVar, partial, at.weight, at.bias),
            ...tuple(rows, channels, momentum, EPS),
          ],
          channels,
        );
      finish(0);
      t.deepEqual(bench.f32(runningMean, channels), mean, 'momentum 0 moves nothing');
      t.deepEqual(bench.f32(runningVar, channels), variance, 'momentum 0 moves nothing');
      finish(0.1);

      const got = bench.f32(saved, 2 * channels);
      const means = expected.map((e) => e.mean);
      close(t, got.subarray(0, channels), means, { rtol: RTOL, what: 'mean' });
      const inverses = expected.map((e) => e.inverse);
      close(t, got.subarray(channels), inverses, { rtol: RTOL, what: '1/σ' });
      const moved = expected.map((e, c) => 0.9 * mean[c]! + 0.1 * e.mean);
      const gotMean = bench.f32(runningMean, channels);
      close(t, gotMean, moved, { rtol: RTOL, atol: 1e-6, what: 'running mean' });
      const unbiased = expected.map(
        (e, c) => 0.9 * variance[c]! + (0.1 * e.variance * rows) / Math.max(1, rows - 1),
      );
      const gotVar = bench.f32(runningVar, channels);
      close(t, gotVar, unbiased, { rtol: RTOL, atol: 1e-6, what: 'running variance' });

      const table = bench.f32(affine, 2 * channels);
      const normalised = Float64Array.from(r, (v, i) => {
        const c = i % channels;
        return (v - expected[c]!.mean) * expected[c]!.inverse * weight[c]! + bias[c]!;
      });
      // Scale and shift are rounded to f32, and the values are up to 11: each product is off by 11 · 2⁻²⁴ / σ.
      const atol = Math.max(...inverses) * 11 * 2 ** -22 + 1e-5;
      const applied = Float64Array.from(r, (v, i) => {
        const c = i % channels;
        return v * table[c]! + table[channels + c]!;
      });
      close(t, applied, normalised, { atol, what: 'r · scale + shift' });
      return [got, gotMean, gotVar, table];
    },
  );

  eachSplit(`batchNorm backward through ${size} and the ReLU before`, (t, bench) => {
    const r = values(rows * channels, 1).map((v) => Math.max(0, v));
    const dh = values(rows * channels, 7);
    const m = moments(r, channels);
    const saved = bench.put(
      Float32Array.from([...m.map((e) => e.mean), ...m.map((e) => e.inverse)]),
    );
    const at = { r: bench.put(r), dh: bench.put(dh), weight: bench.put(weight) };
    const items = images * Math.ceil(pixels / 256);
    const partial = bench.alloc(8 * items * channels);
    const columns = bench.alloc(4 * items * channels);
    const factors = bench.alloc(12 * channels);
    const [dweight, dbias] = [bench.alloc(4 * channels), bench.alloc(4 * channels)];
    bench.run('batchNormBackwardSums', [partial, at.dh, at.r, saved, pixels, channels], items);
    const finish = (accumulate: boolean) =>
      bench.run(
        'batchNormBackwardFinish',
        [factors, dweight, dbias, partial, at.weight, saved, rows, items, channels, accumulate],
        channels,
      );
    const sums = m.map(({ mean, inverse }, c) => {
      let [sum, dot] = [0, 0];
      for (let i = c; i < r.length; i += channels) {
        sum += dh[i]!;
        dot += dh[i]! * (r[i]! - mean) * inverse;
      }
      return { sum, dot };
    });
    // Terms are up to |x̂|, a few; signs vary.
    const atol = 2 ** -22 * Math.max(16, rows);
    for (const times of [1, 2]) {
      finish(times > 1);
      const [weights, biases] = [bench.f32(dweight, channels), bench.f32(dbias, channels)];
      const what = times === 1 ? '' : ' of a shared norm, met twice';
      close(
        t,
        weights,
        sums.map((s) => times * s.dot),
        { atol: times * atol, what: `dweight${what}` },
      );
      close(
        t,
        biases,
        sums.map((s) => times * s.sum),
        { atol: times * atol, what: `dbias${what}` },
      );
    }
    // The first of the two sums is also each image's, for the time embedding.
    const time = bench.alloc(4 * images * channels);
    const join = (out: Pointer, from: Pointer, each: number, step: number, count: number) =>
      bench.run('joinColumnSums', [out, channels, from, each, channels, step], count * channels);
    join(time, partial, items / images, 2 * channels, images);
    close(t, bench.f32(time, images * channels), columnSums(dh, pixels, channels), {
      ...{ atol: 2 ** -24 * 256, rtol: 2 ** -22, what: 'sums of each image' },
    });
    bench.run('batchNormBackwardApply', [at.dh, columns, at.r, factors, pixels, channels], items);
    const dr = Float64Array.from(dh, (d, i) => {
      const c = i % channels;
      const { mean, inverse } = m[c]!;
      const x = (r[i]! - mean) * inverse;
      const { sum, dot } = sums[c]!;
      return r[i]! > 0 ? weight[c]! * inverse * (d - sum / rows - (x * dot) / rows) : 0;
    });
    const scale = Math.max(...m.map((e) => e.inverse));
    const got = bench.f32(at.dh, dh.length);
    close(t, got, dr, { atol: scale * 2e-6, what: 'dr' });
    const sum = bench.alloc(4 * channels);
    join(sum, columns, items, channels, 1);
    const total = bench.f32(sum, channels);
    close(t, total, columnSums(got, rows, channels), {
      ...{ atol: scale * 2 ** -24 * 256, rtol: 2 ** -22, what: 'sums of dr' },
    });
    return [bench.f32(dweight, channels), bench.f32(dbias, channels), got, total];
  });
}

eachSplit('batchNormRunning makes scale and shift from the running statistics', (t, bench) => {
  const channels = 24;
  const [mean, variance] = [values(channels, 1), values(channels, 2).map((v) => v + 1)];
  const [weight, bias] = [values(channels, 3), values(channels, 4)];
  const affine = bench.alloc(8 * channels);
  const tables = tuple(bench.put(mean), bench.put(variance), bench.put(weight), bench.put(bias));
  bench.run('batchNormRunning', [affine, ...tables, channels, EPS], channels);
  const scale = weight.map((w, c) => w / Math.sqrt(variance[c]! + EPS));
  const shift = bias.map((b, c) => b - (mean[c]! * weight[c]!) / Math.sqrt(variance[c]! + EPS));
  const got = bench.f32(affine, 2 * channels);
  // f64 inside: the last rounding, and that of the reference.
  close(t, got, [...scale, ...shift], { rtol: 2 ** -22, atol: 2 ** -22 });
  return [got];
});
