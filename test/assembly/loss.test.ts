import { tuple } from '../../src/engine/program.js';
import { close, eachSplit, values } from '../helpers/kernels.js';

const sign = Math.sign;
/** Distance and slope of each loss, as PyTorch's l1_loss, mse_loss and smooth_l1_loss define them. */
const LOSSES = [
  { name: 'l1', distance: Math.abs, slope: sign },
  { name: 'l2', distance: (d: number) => d * d, slope: (d: number) => 2 * d },
  {
    name: 'huber',
    distance: (d: number) => (Math.abs(d) < 1 ? (d * d) / 2 : Math.abs(d) - 0.5),
    slope: (d: number) => (Math.abs(d) < 1 ? d : sign(d)),
  },
] as const;

for (const [kind, { name, distance, slope }] of LOSSES.entries())
  for (const channels of [1, 3, 20])
    eachSplit(
      `noiseLoss: mean ${name} distance over ${channels} channels and its gradient`,
      (t, bench) => {
        const outputs = [];
        const width = 8 * Math.ceil(channels / 8);
        for (const pixels of [1, 255, 256, 1000]) {
          const elements = pixels * channels;
          const noise = values(elements, 1).map((v) => 2 * v);
          const epsilon = values(width * pixels, 2);
          // Ties, and differences of exactly 1 and −1, where Huber's pieces meet.
          const differences = [0, 1, -1];
          const at = (i: number) => Math.floor(i / channels) * width + (i % channels);
          for (const [i, d] of differences.entries())
            if (i < elements) {
              noise[i] = 0.25;
              epsilon[at(i)] = 0.25 + d;
            }
          const blocks = Math.ceil(pixels / 256);
          const gradient = bench.put(new Float32Array(width * pixels).fill(42));
          const [partial, loss] = [bench.alloc(8 * blocks), bench.alloc(8)];
          const inputs = tuple(bench.put(epsilon), bench.put(noise));
          bench.run('noiseLoss', [gradient, partial, ...inputs, pixels, channels, kind], blocks);
          bench.run('finishLoss', [loss, partial, blocks, elements], 1);

          let sum = 0;
          const expected = new Float64Array(width * pixels);
          for (let i = 0; i < elements; i++) {
            const d = epsilon[at(i)]! - noise[i]!;
            sum += distance(d);
            expected[at(i)] = slope(d) / elements;
          }
          // The difference is rounded once, of values up to 3, and the sum is in f64.
          const got = bench.f64(loss, 1);
          close(t, got, [sum / elements], { atol: 6 * 2 ** -24, rtol: 2 ** -22, what: 'loss' });
          const slopes = bench.f32(gradient, width * pixels);
          close(t, slopes, expected, {
            atol: (6 * 2 ** -24) / elements,
            rtol: 2 ** -22,
            what: 'gradient',
          });
          outputs.push(got, slopes);
        }
        return outputs;
      },
    );
