import test from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import { Breath } from '../../src/evaluate/breath.js';
import { laplacian, levelSides } from '../../src/evaluate/pyramid.js';
import { type Filter, Resizer } from '../../src/evaluate/resize.js';
import { Patches, slicedWasserstein } from '../../src/evaluate/sliced-wasserstein.js';
import { evaluationFixture } from '../helpers/evaluation.js';

const farthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

test('Scaling matches Pillow in mode F, up and down, with both filters', async (t) => {
  const { floats } = await evaluationFixture('resize');
  for (const [n, m] of [[8, 21] as const, [32, 13] as const, [16, 16] as const, [5, 40] as const])
    for (const filter of ['bicubic', 'bilinear'] satisfies Filter[]) {
      const out = new Float32Array(m * m);
      new Resizer(n, m, filter).plane(floats(`in_${n}_${m}`), out);
      // Pillow keeps the rows between its two passes in f32, too.
      const apart = farthest(out, floats(`${filter}_${n}_${m}`));
      t.true(apart < 1e-3, `${filter} ${n} to ${m}: ${apart}`);
    }
});

test("A plane's Laplacian pyramid matches PyTorch's", async (t) => {
  const { floats } = await evaluationFixture('pyramid');
  const levels = laplacian({ side: 64, data: floats('plane') }, 3);
  for (const [i, { side, data }] of levels.entries()) {
    t.is(side, 64 / 2 ** i);
    // Sums of 25 products of up to 255, in f32.
    t.true(farthest(data, floats(`level_${i}`)) < 5e-4, `level ${i}`);
  }
});

test('Levels halve down to 16 pixels, or end at an odd or smaller side', (t) => {
  t.deepEqual(levelSides(64), [64, 32, 16]);
  t.deepEqual(levelSides(28), [28]);
  t.deepEqual(levelSides(34), [34, 17]);
  t.deepEqual(levelSides(8), []);
});

/** Noise of `side` pixels; soft is of four equal ones in a row, which fine levels show. */
function noise(side: number, count: number, seed: number, soft: boolean): Uint8Array[] {
  const words = new CounterRandom(seed).words(13, 0, count * side * side);
  return Array.from({ length: count }, (_, k) =>
    Uint8Array.from({ length: side * side }, (_, i) => {
      const at = (x: number) => words[k * side * side + x]! >>> 24;
      return at(soft ? i - (i % 4) : i);
    }),
  );
}

function patches(images: readonly Uint8Array[], side: number, from = 0): Patches {
  const of = new Patches(side, 1, images.length, new CounterRandom(0));
  for (const [i, image] of images.entries()) of.add(image, from + i, i);
  return of;
}

const between = (a: Patches, b: Patches) =>
  slicedWasserstein(a, b, new CounterRandom(0), new Breath());

test('The sliced Wasserstein distance is zero for equal sets, small for similar ones, and large for others', async (t) => {
  const [sharp, other, soft] = [
    noise(32, 24, 1, false),
    noise(32, 24, 2, false),
    noise(32, 24, 3, true),
  ];
  const same = await between(patches(sharp, 32), patches(sharp, 32));
  t.is(same.mean, 0);
  const near = await between(patches(sharp, 32), patches(other, 32, 100));
  const far = await between(patches(sharp, 32), patches(soft, 32, 100));
  t.deepEqual(
    near.levels.map(({ side }) => side),
    [32, 16],
  );
  t.true(
    near.mean > 0 && far.levels[0]!.distance > 2 * near.levels[0]!.distance,
    `${near.mean} ${far.mean}`,
  );
  t.is(far.images, 24);
  t.deepEqual(far, await between(patches(sharp, 32), patches(soft, 32, 100)));
});

test('Sets of different sizes are compared by the number of images of the smaller, up to the requested number', async (t) => {
  const images = noise(16, 20, 1, false);
  const few = patches(images.slice(0, 7), 16);
  const { images: compared } = await between(few, patches(images, 16));
  t.is(compared, 7);
  const most = new Patches(16, 1, 3, new CounterRandom(0));
  for (const [i, image] of images.entries()) most.add(image, i, i);
  t.is(most.images, 3);
});

test('Of a larger set the images of the lowest ranks are compared, and equal sets do not depend on ranks', async (t) => {
  const images = noise(16, 6, 1, false);
  const ranked = (ranks: readonly number[]) => {
    const of = new Patches(16, 1, images.length, new CounterRandom(0));
    for (const [i, image] of images.entries()) of.add(image, i, ranks[i]!);
    return of;
  };
  const two = new Patches(16, 1, 2, new CounterRandom(0));
  for (const i of [1, 4]) two.add(images[i]!, i, i);
  t.is((await between(two, ranked([5, 1, 4, 3, 0, 2]))).mean, 0);
  t.true((await between(two, ranked([0, 1, 2, 3, 4, 5]))).mean > 0);
  t.is((await between(ranked([5, 1, 4, 3, 0, 2]), patches(images, 16))).mean, 0);
});

test('A set of one colour has a distance, not NaN', async (t) => {
  const grey = Array.from({ length: 4 }, () => new Uint8Array(256).fill(128));
  const { mean } = await between(patches(grey, 16), patches(noise(16, 4, 1, false), 16));
  t.true(Number.isFinite(mean) && mean > 0);
});
