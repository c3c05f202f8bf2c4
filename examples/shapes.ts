/** Trains on images that the program draws: discs and squares, with the shape as their class. */
import { type GivenImage, grid, runConfig, sample, toImages, train, writePicture } from 'haze';

const SIZE = 16;

/** A grey disc or square somewhere in the image. `next` gives numbers in [0, 1). */
function shape(next: () => number): GivenImage {
  const isDisc = next() < 0.5;
  const radius = 2 + 3 * next();
  const [cx, cy] = [0, 0].map(() => radius + next() * (SIZE - 2 * radius)) as [number, number];
  const inside = (x: number, y: number) =>
    isDisc ? Math.hypot(x, y) < radius : Math.max(Math.abs(x), Math.abs(y)) < radius;
  const pixels = Uint8Array.from({ length: SIZE * SIZE }, (_, i) =>
    inside((i % SIZE) + 0.5 - cx, Math.floor(i / SIZE) + 0.5 - cy) ? 230 : 20,
  );
  return { pixels, width: SIZE, height: SIZE, channels: 1, label: isDisc ? 'disc' : 'square' };
}

/** A small random number generator with a seed, so that the data and the run are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const next = numbers(1);
const data = Array.from({ length: 512 }, () => shape(next));
const config = runConfig({
  data,
  preset: 'minutes-32',
  size: SIZE,
  channels: 1,
  classes: 'auto',
  flip: false,
  steps: Number(process.argv[2] ?? 600),
});
await train({ config, data, out: 'runs/shapes' });

const { images, pictures, classes } = await sample('runs/shapes', {
  class: ['disc', 'square'],
  count: 16,
});
console.log(classes);
await writePicture('shapes.png', grid(toImages(images, pictures), { columns: 8 }));
