import test from 'ava';
import { CarShapes, toyCars } from '../../bench/car-shapes.js';

const right = (kinds: readonly number[], labels: Int32Array): number =>
  kinds.filter((kind, i) => kind === labels[i]).length / kinds.length;

test('the kind of a car is recognised by its outlines, in either direction and any colours', async (t) => {
  const shapes = new CarShapes(await toyCars(0, 16, 512));
  const { data, count, size, labels } = await toyCars(1, 16, 200);
  t.true(right(shapes.kinds({ data, count, size }), labels) > 0.85);
  // Mirrored, and in other colours.
  const turned = data.map((_, i) => {
    const [pixel, c] = [Math.floor(i / 3), i % 3];
    const x = pixel % size;
    return 255 - data[(pixel - x + size - 1 - x) * 3 + ((c + 1) % 3)]!;
  });
  t.true(right(shapes.kinds({ data: turned, count, size }), labels) > 0.85);
});

test('pictures without a car are assigned to no kind more often than by chance', async (t) => {
  const shapes = new CarShapes(await toyCars(0, 16, 512));
  const { labels } = await toyCars(1, 16, 200);
  const noise = Uint8Array.from(
    { length: 200 * 16 * 16 * 3 },
    (_, i) => (i * 7919 * (i % 31)) % 256,
  );
  t.true(right(shapes.kinds({ data: noise, count: 200, size: 16 }), labels) < 0.3);
});
