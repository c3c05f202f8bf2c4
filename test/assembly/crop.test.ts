import { eachBuild } from '../helpers/kernels.js';

eachBuild('crop copies only the window', (t, bench) => {
  const [width, height, channels] = [7, 6, 3];
  const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => i);
  for (const [left, top, w, h] of [
    [0, 0, 7, 6],
    [2, 1, 4, 3],
    [6, 5, 1, 1],
    [3, 0, 4, 6],
  ] as const) {
    const out = bench.put(new Uint8Array(w * h * channels + 1).fill(200), 1);
    bench.run('crop', [out, bench.put(pixels, 2), width, left, top, w, channels], h);
    const expected = Array.from({ length: w * h * channels }, (_, i) => {
      const [y, x] = [Math.floor(i / (w * channels)), i % (w * channels)];
      return pixels[((top + y) * width + left) * channels + x]!;
    });
    t.deepEqual([...bench.u8(out, w * h * channels + 1)], [...expected, 200]);
  }
});
