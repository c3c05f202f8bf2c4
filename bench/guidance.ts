import { grid, sample, toImages, writePicture } from '../src/index.js';
import { requirePixels } from '../src/network/network.js';
import { inClassRows } from '../src/sample/class-rows.js';
import { CarShapes, toyCars } from './car-shapes.js';

/*
 * Whether samples of a class belong to it: for a run on toy-cars with classes, the share of samples whose outlines are nearest to those of their own
 * class, by guidance, beside chance and the share for cars drawn from another seed.
 *
 *   node dist/bench/guidance.js RUN [images of each class, 16] [guidance, 1,3] [grid.png, of the last]
 */

const [run, count = '16', guidances = '1,3', out] = process.argv.slice(2);
if (run === undefined) {
  process.stderr.write('usage: node dist/bench/guidance.js RUN [COUNT] [W,W,…] [GRID.png]\n');
  process.exit(2);
}

/** Columns of the grid. */
const COLUMNS = 8;

const share = (right: number, of: number): string => `${((100 * right) / of).toFixed(1)} %`;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** How many are of the kind that their index implies. */
const matches = (kinds: readonly number[], labelOf: (i: number) => number): number =>
  kinds.filter((kind, i) => kind === labelOf(i)).length;

for (const [i, text] of guidances.split(',').entries()) {
  const guidance = Number(text);
  const how = { guidance, sampler: 'ddim', steps: 50, clamp: true, seed: 1 } as const;
  const names = (await sample(run, { ...how, steps: 1 })).classes ?? [];
  const classes = new Set(names).size;
  const { images, model } = await sample(run, { ...how, count: Number(count) * classes });
  const { size } = model;
  requirePixels(model);
  const pictures = toImages(images, model);
  const cars = await toyCars(0, size);
  const shapes = new CarShapes(cars);
  if (i === 0) {
    const others = await toyCars(1, size, 512);
    const right = matches(shapes.kinds(others), (car) => others.labels[car]!);
    say(`cars of another seed  ${share(right, others.count)} of ${others.count}`);
    say(`chance                ${share(1, classes)}`);
  }
  const kinds = shapes.kinds({ ...pictures, size });
  const right = matches(kinds, (k) => k % classes);
  const each = cars.names.map((name, label) => {
    const own = kinds.filter((_, k) => k % classes === label);
    return `${name} ${matches(own, () => label)}`;
  });
  say(
    `guidance ${text.padEnd(12)} ${share(right, kinds.length)} of ${kinds.length}: ${each.join(', ')}`,
  );
  if (out !== undefined && i + 1 === guidances.split(',').length) {
    const kept = Math.min(kinds.length, COLUMNS * classes);
    const data = pictures.data.subarray(0, kept * size * size * 3);
    const condition = { labels: cars.names.map((_, label) => label), guidance, none: null };
    const { images: rows, layout } = inClassRows({ ...pictures, data, count: kept }, condition);
    await writePicture(out, grid(rows, { ...layout, scale: 2 }));
    say(`${out}: ${kept} of them, a row per class`);
  }
}
