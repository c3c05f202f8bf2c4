import test from 'ava';
import { openDataset } from '../../src/data/dataset.js';
import { type GivenImage, type GivenImages, openGiven } from '../../src/data/given.js';
import { Interrupted, UsageError } from '../../src/errors.js';

const BUDGET = 2 ** 30;

/** Grey 4x4 images of their number. */
const plain = (count: number): GivenImage[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ width: 4, height: 4, channels: 1 },
    pixels: new Uint8Array(16).fill(i),
  }));

const named = (...labels: (string | number | undefined)[]): GivenImage[] =>
  plain(labels.length).map((image, i) => {
    const label = labels[i];
    return label === undefined ? image : { ...image, label };
  });

test('images of any size from any iterable are read once and scaled, and may be changed afterwards', async (t) => {
  const [small, other] = [plain(40), { ...plain(1)[0]!, width: 8, height: 2 }];
  const own = [...small, { ...other, channels: 3 as const, pixels: new Uint8Array(48).fill(200) }];
  let begun = 0;
  async function* slowly() {
    begun++;
    for (const image of own) yield image;
  }
  for (const images of [own, new Set(own), slowly()] satisfies GivenImages[]) {
    const source = await openGiven('data', images, BUDGET);
    const dataset = await openDataset(source, { size: 2, channels: 1, fit: 'squash', threads: 1 });
    t.is(dataset.count, 41);
    const out = new Uint8Array(12);
    await dataset.read([3, 39, 40], out);
    t.deepEqual([...out], [3, 3, 3, 3, 39, 39, 39, 39, 200, 200, 200, 200]);
    await dataset.close();
  }
  t.is(begun, 1);
  const changed = plain(1);
  const source = await openGiven('data', changed, BUDGET);
  changed[0]!.pixels.fill(9);
  const dataset = await openDataset(source, { size: 4, channels: 1, fit: 'squash', threads: 1 });
  const out = new Uint8Array(16);
  await dataset.read([0], out);
  t.deepEqual([...out], Array(16).fill(0));
  await dataset.close();
});

test('images that do not fit into memory are decoded on demand', async (t) => {
  const source = await openGiven('data', plain(300), 300 * 16);
  const target = { size: 4, channels: 1, fit: 'squash', threads: 1 } as const;
  const dataset = await openDataset(source, { ...target, budgetBytes: 300 * 16 + 100 });
  t.false(dataset.resident);
  const out = new Uint8Array(32);
  await dataset.read([299, 7], out);
  t.deepEqual([...out], [...Array(16).fill(299 % 256), ...Array(16).fill(7)]);
  await dataset.close();
});

test('labels are classes, by name or by number', async (t) => {
  const classes = async (images: GivenImage[]) => {
    const source = await openGiven('data', images, BUDGET);
    const found = await source.classes?.();
    return found && { names: found.names, labels: [...found.labels] };
  };
  t.deepEqual(await classes(named('dog', 'cat', 'dog')), {
    names: ['cat', 'dog'],
    labels: [1, 0, 1],
  });
  t.deepEqual(await classes(named(2, 0)), { names: ['0', '1', '2'], labels: [2, 0] });
  t.is(await classes(plain(2)), undefined);
});

test('a fingerprint covers pixels, shapes and labels', async (t) => {
  const of = async (images: GivenImage[]) =>
    (await openGiven('data', images, BUDGET)).fingerprint();
  const [first] = plain(1);
  const kinds = [
    [first!],
    plain(2),
    [{ ...first!, pixels: new Uint8Array(16).fill(1) }],
    [{ ...first!, width: 8, height: 2 }],
    [{ ...first!, label: 'a' }],
  ];
  const prints = await Promise.all(kinds.map(of));
  t.is(new Set(prints).size, kinds.length);
  t.is(await of(plain(1)), prints[0]!);
});

test('a value that is not an image is refused by its number', async (t) => {
  const [one] = plain(1);
  const wrong: [unknown, RegExp][] = [
    [7, /^train\.data: expected a list or another iterable of images, got 7$/],
    ['photos', /^train\.data: expected .*, got a string$/],
    [[], /^train\.data: expected images, got none$/],
    [[one, null], /^train\.data: image 1: expected \{ pixels, .* \}, got nothing$/],
    [[one, { ...one, width: 0 }], /image 1: width: expected a whole number of 1 or more, got 0$/],
    [[{ ...one, height: '4' }], /image 0: height: .*, got a string$/],
    [[{ ...one, channels: 2 }], /image 0: channels: expected 1, 3 or 4, got 2$/],
    [[{ ...one, pixels: [1, 2] }], /image 0: pixels: expected a Uint8Array, got Array$/],
    [[{ ...one, pixels: new Float32Array(16) }], /expected a Uint8Array, got Float32Array$/],
    [[{ ...one, channels: 3 }], /pixels: expected 4·4·3 = 48 bytes, got 16$/],
    [[{ ...one, width: 2 ** 16, height: 2 ** 16 }], /expected at most 268435456 pixels/],
    [named('a', undefined), /image 1: label: expected a string like the first .*, got nothing$/],
    [named(undefined, 3), /image 1: label: expected none like the first image's, got 3$/],
    [named(1, 'a'), /image 1: label: expected a number like the first image's, got a string$/],
    [named(-1), /image 0: label: expected a name or a whole number from 0 to 9999, got -1$/],
    [named(''), /image 0: label: expected a name .*, got nothing$/],
  ];
  for (const [images, message] of wrong)
    await t.throwsAsync(openGiven('train.data', images as GivenImages, BUDGET), {
      instanceOf: UsageError,
      message,
    });
  await t.throwsAsync(openGiven('train.data', plain(3), 40), {
    instanceOf: UsageError,
    message:
      /^train\.data: expected images of at most 40 bytes in all \(dataBudget\), got more with image/,
  });
});

test('an abort ends reading', async (t) => {
  const controller = new AbortController();
  let read = 0;
  function* endless() {
    for (;;) {
      if (++read === 5) controller.abort();
      yield plain(1)[0]!;
    }
  }
  await t.throwsAsync(openGiven('data', endless(), BUDGET, controller.signal), {
    instanceOf: Interrupted,
  });
  t.is(read, 5);
});

test('an iterable without an iterator is refused', async (t) => {
  for (const iterator of [null, 5, {}]) {
    const images = { [Symbol.iterator]: () => iterator } as unknown as GivenImages;
    await t.throwsAsync(openGiven('data', images, BUDGET), {
      instanceOf: UsageError,
      message: /^data: expected an iterable of images, whose iterator has a next\(\), got/,
    });
  }
  const none = { [Symbol.asyncIterator]: null } as unknown as GivenImages;
  await t.throwsAsync(openGiven('data', none, BUDGET), {
    instanceOf: UsageError,
    message: /^data: expected a list or another iterable of images, got Object$/,
  });
});
