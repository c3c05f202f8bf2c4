import { NULL } from '../../src/engine/pointer.js';
import { close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

const DISTANCES = [
  Math.abs,
  (d: number) => d * d,
  (d: number) => (Math.abs(d) < 1 ? (d * d) / 2 : Math.abs(d) - 0.5),
] as const;

for (const [kind, distance, channels] of DISTANCES.flatMap((of, kind) =>
  [3, 20].map((channels) => [kind, of, channels] as const),
))
  eachSplit(
    `imageLosses gives the mean loss of each image of ${channels} channels, with and without weights, kind ${kind}`,
    (t, bench) => {
      const [images, pixels] = [5, 9];
      const width = 8 * Math.ceil(channels / 8);
      const estimate = values(width * images * pixels, 1).map((v) => 2 * v);
      const truth = values(channels * images * pixels, 2);
      const weights = Float32Array.of(0, 1, 0.5, 2, 0.25);
      return [NULL, bench.put(weights)].map((at) => {
        const losses = bench.alloc(8 * images);
        const inputs = [bench.put(estimate), bench.put(truth, 4), at] as const;
        bench.run('imageLosses', [losses, ...inputs, pixels, channels, kind], images);
        const expected = Array.from({ length: images }, (_, image) => {
          let sum = 0;
          for (let i = image * pixels; i < (image + 1) * pixels; i++)
            for (let c = 0; c < channels; c++)
              sum += distance(estimate[width * i + c]! - truth[channels * i + c]!);
          return ((at === NULL ? 1 : weights[image]!) * sum) / (pixels * channels);
        });
        const got = bench.f64(losses, images);
        // Distances of a pixel are summed in f32.
        close(t, got, expected, { atol: 1e-6 });
        return got;
      });
    },
  );

eachBuild('weighGradient multiplies the gradient of each image by its weight', (t, bench) => {
  const [images, pixels] = [3, 5];
  const gradient = values(8 * images * pixels, 1);
  const weights = Float32Array.of(0.3, 2, 0);
  const at = bench.put(gradient, 4);
  bench.run('weighGradient', [at, bench.put(weights), 8 * pixels], images);
  const expected = gradient.map((v, i) => v * weights[Math.floor(i / 8 / pixels)]!);
  t.deepEqual(bench.f32(at, gradient.length), expected);
});
