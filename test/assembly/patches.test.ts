import { Channels } from '../helpers/channels.js';
import { bits, eachSplit, values } from '../helpers/kernels.js';

for (const { images, side, size, channels } of [
  { images: 1, side: 1, size: 1, channels: 3 },
  { images: 2, side: 3, size: 2, channels: 3 },
  { images: 3, side: 2, size: 4, channels: 1 },
  { images: 1, side: 4, size: 3, channels: 8 },
])
  for (const order of ['channels', 'pixels'] as const)
    eachSplit(
      `patches of ${size}x${size}, ${images}x${side * side} of ${channels} channels, ${order} apart, and back`,
      (t, bench) => {
        const pixels = size * size;
        const image = new Channels([channels], 8);
        const token = new Channels([channels * pixels], 16);
        const [channelStep, pixelStep] = order === 'channels' ? [pixels, 1] : [1, channels];
        const tokens = images * side * side;
        const rows = tokens * pixels;
        const x = values(rows * channels, 1);
        const at = (i: number, py: number, px: number) => (i * side * size + py) * side * size + px;
        const expected = new Float32Array(tokens * token.real);
        for (let i = 0; i < tokens; i++)
          for (let c = 0; c < channels; c++)
            for (let p = 0; p < pixels; p++) {
              const [ty, tx] = [Math.floor(i / side) % side, i % side];
              const py = ty * size + Math.floor(p / size);
              const px = tx * size + (p % size);
              const from = at(Math.floor(i / side / side), py, px) * channels + c;
              expected[i * token.real + c * channelStep + p * pixelStep] = x[from]!;
            }
        const how = [channels, size, side, channelStep, pixelStep] as const;
        const from = bench.put(image.spread(x), 4);
        const to = bench.put(new Float32Array(tokens * token.stride).fill(42));
        const gather = (add: boolean) =>
          bench.run(
            'toPatches',
            [to, token.stride, token.padded, from, image.stride, ...how, add],
            tokens,
          );
        gather(false);
        const got = token.gather(t, bench.f32(to, tokens * token.stride), 'tokens');
        t.deepEqual(bits(got), bits(expected));

        const back = bench.put(new Float32Array(rows * image.stride).fill(42), 8);
        const scatter = (add: boolean) =>
          bench.run(
            'fromPatches',
            [back, image.stride, image.padded, to, token.stride, ...how, add],
            rows,
          );
        scatter(false);
        const again = image.gather(t, bench.f32(back, rows * image.stride), 'pixels');
        t.deepEqual(bits(again), bits(x));

        gather(true);
        const twice = token.gather(t, bench.f32(to, tokens * token.stride), 'added');
        t.deepEqual(bits(twice), bits(expected.map((v) => v + v)));
        scatter(true);
        const sum = image.gather(t, bench.f32(back, rows * image.stride), 'added pixels');
        t.deepEqual(bits(sum), bits(x.map((v) => v + Math.fround(v + v))));
        return [got, again, twice, sum];
      },
    );
