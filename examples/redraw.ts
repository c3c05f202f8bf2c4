/** Redraws an image that the model drew: a little, a lot, and only its right half. node redraw.ts MODEL [FILE.png] [SEED] */
import { grid, load, type RedrawSettings, toImages, writePicture } from 'haze';

const [path = 'runs/photos', file = 'redraw.png', seed = '0'] = process.argv.slice(2);

await using model = await load(path);
const { size } = model.model;
const { images: from } = await model.sample({ count: 1, seed: Number(seed) });
const mask = Uint8Array.from({ length: size * size }, (_, i) => (i % size < size / 2 ? 0 : 1));

const ways: RedrawSettings[] = [{ strength: 0.6 }, { strength: 0.8 }, { mask, resample: 5 }];
const rows: number[] = [];
for (const way of ways) {
  const { images } = await model.sample({ ...way, from, count: 7, sampler: 'ddim', steps: 50 });
  rows.push(...from, ...images);
}
// The first of each row is the image itself.
const pictures = toImages(Float32Array.from(rows), model.model);
await writePicture(file, grid(pictures, { columns: 8 }));
console.log(file);
