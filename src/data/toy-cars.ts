/** The built-in data set: side views of cars that the program draws itself, so nothing has to be downloaded. */
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { BODY_NAMES } from './car-bodies.js';
import { carBody, drawCar } from './car-drawing.js';
import type { Source } from './source.js';

/** The user's name for it. */
export const TOY_CARS = 'toy-cars';

/** Enough variety that no two look alike; drawing them takes a few seconds at 32 pixels. */
const COUNT = 2048;

/** The cars of a seed: car i is the same picture in any set and, except for sharpness, at any size. */
export function openToyCars(seed: number): Source {
  return {
    name: TOY_CARS,
    count: COUNT,
    item: (index) => ({ kind: 'car', seed, index }),
    label: (index) => `${TOY_CARS}, car ${index}`,
    skipped: [],
    leftOut: [],
    classesBy: 'bodies',
    classes: async () => ({
      names: BODY_NAMES,
      labels: Int32Array.from({ length: COUNT }, (_, i) =>
        BODY_NAMES.indexOf(carBody(draws(seed, i))),
      ),
    }),
    fingerprint: async () => `${TOY_CARS} ${seed}`,
  };
}

/** Random numbers available to a drawing, which takes about half of them. */
const DRAWS = 32;

let random: { readonly seed: number; readonly stream: CounterRandom } | undefined;

/** Car `index` as an SVG document with a side of `pixels`; a function of (seed, index) except for sharpness. */
export function carPicture(seed: number, index: number, pixels: number): string {
  return drawCar(draws(seed, index), pixels);
}

/** The random numbers of a car, in order. */
function draws(seed: number, index: number): () => number {
  if (random?.seed !== seed) random = { seed, stream: new CounterRandom(seed) };
  const numbers = random.stream.uniform(PURPOSE.toyCars, index, DRAWS, 0, 1);
  let next = 0;
  return () => numbers[next++]!;
}
