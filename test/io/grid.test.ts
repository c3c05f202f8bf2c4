import test from 'ava';
import { ShapeError } from '../../src/errors.js';
import { film, grid, type Images, strip } from '../../src/io/grid.js';

/** `count` images of 1x2 pixels: image k holds 10k and 10k + 1. */
const pairs = (count: number): Images => ({
  data: Uint8Array.from({ length: 2 * count }, (_, i) => 10 * (i >> 1) + (i & 1)),
  count,
  height: 1,
  width: 2,
  channels: 1,
});

/** The rows of a grey picture. */
const rows = ({ data, width }: Images) =>
  Array.from({ length: data.length / width }, (_, y) => [
    ...data.slice(y * width, (y + 1) * width),
  ]);

test('images are laid out in rows, nearly square, and unused cells are white', (t) => {
  t.deepEqual(rows(grid(pairs(3), { gap: 0, scale: 1 })), [
    [0, 1, 10, 11],
    [20, 21, 255, 255],
  ]);
});

test('there is a gap between images and around them', (t) => {
  const w = 255;
  t.deepEqual(rows(grid(pairs(2), { gap: 1, scale: 1 })), [
    [w, w, w, w, w, w, w],
    [w, 0, 1, w, 10, 11, w],
    [w, w, w, w, w, w, w],
  ]);
});

test('a scale makes each pixel a square', (t) => {
  t.deepEqual(rows(grid(pairs(1), { gap: 0, scale: 2 })), [
    [0, 0, 1, 1],
    [0, 0, 1, 1],
  ]);
});

test('each pixel keeps its colours', (t) => {
  const images: Images = {
    data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    count: 2,
    height: 1,
    width: 2,
    channels: 3,
  };
  t.deepEqual([...grid(images, { gap: 0, scale: 1 }).data], [...images.data]);
  t.deepEqual(grid(images, { gap: 0, scale: 1, columns: 1 }).width, 2);
});

test('a strip is one row', (t) => {
  const picture = strip(pairs(5), { gap: 0, scale: 1 });
  t.deepEqual(rows(picture), [[0, 1, 10, 11, 20, 21, 30, 31, 40, 41]]);
});

test('small images are enlarged by default, and large ones are not', (t) => {
  const square = (side: number): Images => ({
    data: new Uint8Array(side * side),
    count: 1,
    height: side,
    width: side,
    channels: 1,
  });
  t.is(grid(square(32)).width, 2 + 96 + 2);
  t.is(grid(square(64)).width, 2 + 64 + 2);
  t.is(grid(square(256)).width, 2 + 256 + 2);
});

test('data of the wrong size, and no images, are refused', (t) => {
  t.throws(() => grid({ ...pairs(2), count: 3 }), {
    instanceOf: ShapeError,
    message: 'grid: 3 images of 1x2x1 have 6 bytes, data has 4',
  });
  t.throws(() => grid(pairs(0)), { instanceOf: ShapeError });
});

test('a film has a row for each image and a column for each frame', (t) => {
  const later = { ...pairs(2), data: pairs(2).data.map((v) => v + 100) };
  t.deepEqual(rows(film([pairs(2), later, later], { gap: 0, scale: 1 })), [
    [0, 1, 100, 101, 100, 101],
    [10, 11, 110, 111, 110, 111],
  ]);
});

test('a film with frames of different sizes, or without frames, is refused', (t) => {
  t.throws(() => film([]), { instanceOf: ShapeError });
  t.throws(() => film([pairs(2), pairs(3)]), {
    instanceOf: ShapeError,
    message: 'film: frame 1 is 3x1x2x1, the first 2x1x2x1',
  });
});
