import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LatentStore } from '../../src/data/latent-store.js';
import { type Encoding, encodeDataset, type LatentDataset } from '../../src/data/latents.js';
import { sharedArithmetic } from '../../src/engine/arithmetic.js';
import { RunError, UsageError } from '../../src/errors.js';
import { opened, pixels } from '../helpers/data.js';
import { type FakeAutoencoder, fakeAutoencoder } from '../helpers/fake-autoencoder.js';
import { withFault } from '../helpers/faulty-files.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';

const COUNT = 40;

/** Grey pictures of 8 x 8 pixels, and a folder for their latents. */
async function bars(t: ExecutionContext, budgetBytes?: number) {
  const folder = await temporaryFolder(t);
  const source = writeBars(folder, COUNT, 8);
  const options = { size: 8, channels: 1, ...(budgetBytes !== undefined && { budgetBytes }) };
  const pictures = await opened(t, source, options as { size: number; channels: 1 });
  return { pictures, cache: join(folder, 'cache') };
}

/** Fails on a warning. */
const openStore = (folder: string) =>
  LatentStore.open((text) => {
    throw new Error(text);
  }, folder);

/** Encodes the bars with a fake autoencoder of its own. */
async function encode(
  t: ExecutionContext,
  { pictures, cache }: Awaited<ReturnType<typeof bars>>,
  change: Partial<Encoding> = {},
): Promise<{ latents: LatentDataset; autoencoder: FakeAutoencoder }> {
  const autoencoder = fakeAutoencoder(4, 1);
  const store = change.store ?? (await openStore(cache));
  const options = { mirrored: true, identity: 'one', ...change, store };
  const latents = await encodeDataset(pictures, autoencoder, options);
  t.teardown(() => latents.close());
  return { latents, autoencoder };
}

/** Latents of some pictures, which were mirrored first. */
async function expected(
  pictures: Parameters<typeof pixels>[0],
  indices: number[],
  flips: Uint32Array,
): Promise<Float32Array> {
  const { size, channels } = pictures;
  const floats = sharedArithmetic().batchToFloat(await pixels(pictures, indices), flips, {
    ...{ height: size, width: size, channels },
  });
  return fakeAutoencoder(size / 2, channels).encode(floats);
}

for (const [name, budget] of [
  ['in memory', undefined],
  ['streamed', 300],
] as const)
  test(`latents of pictures ${name} are those of the pictures, or of the mirrored ones`, async (t) => {
    const data = await bars(t, budget);
    t.is(data.pictures.resident, budget === undefined);
    const { latents, autoencoder } = await encode(t, data);
    t.is(autoencoder.encoded.length, 2 * COUNT);
    t.like(latents, { count: COUNT, size: 4, channels: 4, latents: { mirrored: true } });
    const indices = [39, 0, 7, 7];
    const flips = Uint32Array.of(0, 1, 0, 1);
    const { latents: read } = await latents.batch(indices, flips);
    t.deepEqual(read, await expected(data.pictures, indices, flips));
    const plain = await latents.batch(indices);
    t.deepEqual(plain.latents, await expected(data.pictures, indices, new Uint32Array(4)));
    t.notDeepEqual(read, plain.latents);
  });

test('without mirrored ones each picture is encoded once', async (t) => {
  const data = await bars(t);
  const progress: number[] = [];
  const onProgress = (done: number, total: number) => progress.push(done + total / 1000);
  const { latents, autoencoder } = await encode(t, data, { mirrored: false, onProgress });
  t.is(autoencoder.encoded.length, COUNT);
  t.is(progress.length, COUNT);
  t.is(progress.at(-1), COUNT + COUNT / 1000);
  const { latents: read } = await latents.batch([3, 39]);
  t.deepEqual(read, await expected(data.pictures, [3, 39], new Uint32Array(2)));
});

test('latents are kept for the same pictures and autoencoder, and for no others', async (t) => {
  const data = await bars(t);
  const all = Array.from({ length: COUNT }, (_, i) => i);
  const first = await encode(t, data);
  const again = await encode(t, data);
  t.is(again.autoencoder.encoded.length, 0);
  t.deepEqual(await again.latents.batch(all), await first.latents.batch(all));
  for (const change of [{ identity: 'two' }, { mirrored: false }])
    t.true((await encode(t, data, change)).autoencoder.encoded.length > 0);
  const other = await opened(t, writeBars(await temporaryFolder(t), COUNT - 1, 8), {
    ...{ size: 8, channels: 1 },
  });
  const fewer = await encode(t, { ...data, pictures: other });
  t.is(fewer.autoencoder.encoded.length, 2 * (COUNT - 1));
  t.is((await readdir(data.cache)).length, 4);
});

for (const [name, damage] of [
  ['a damaged', (bytes: Buffer) => bytes.fill(1, 100, 101)],
  ['a short', (bytes: Buffer) => bytes.subarray(0, -1)],
  ['a long', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
  ['an empty', () => Buffer.alloc(0)],
] as const)
  test(`${name} file is made again`, async (t) => {
    const data = await bars(t);
    await encode(t, data);
    const [file] = await readdir(data.cache);
    const path = join(data.cache, file!);
    const sound = await readFile(path);
    await writeFile(path, damage(Buffer.from(sound)));
    const { autoencoder } = await encode(t, data);
    t.is(autoencoder.encoded.length, 2 * COUNT);
    t.deepEqual(await readFile(path), sound);
  });

/** Encodes until so many pictures are done. */
async function interrupted(
  t: ExecutionContext,
  data: Awaited<ReturnType<typeof bars>>,
  at: number,
) {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = (done: number) => {
    if (done === at) controller.abort(reason);
  };
  t.is(await t.throwsAsync(encode(t, data, { onProgress, signal: controller.signal })), reason);
}

test('an interruption ends it with the picture that is being encoded', async (t) => {
  const data = await bars(t);
  await interrupted(t, data, 3);
  t.deepEqual(await readdir(data.cache), []);
  const reason = new Error('enough');
  const before = encode(t, data, { signal: AbortSignal.abort(reason) });
  t.is(await t.throwsAsync(before), reason);
});

test('another call goes on from what was encoded, eight pictures at a time, to the same file', async (t) => {
  const data = await bars(t);
  const other = { ...data, cache: `${data.cache}-whole` };
  await encode(t, other);
  const [file] = await readdir(other.cache);
  const whole = await readFile(join(other.cache, file!));
  await interrupted(t, data, 8 + 3);
  await interrupted(t, data, 24);
  const part = file!.replace('.latents', '.part');
  t.deepEqual(await readdir(data.cache), [part]);
  const progress: number[] = [];
  const onProgress = (done: number) => progress.push(done);
  const { latents, autoencoder } = await encode(t, data, { onProgress });
  // The 24th picture was the last of its piece.
  t.is(progress[0], 24 + 1);
  t.is(autoencoder.encoded.length, 2 * (COUNT - 24));
  t.deepEqual(await readdir(data.cache), [file!]);
  t.deepEqual(await readFile(join(data.cache, file!)), whole);
  const flips = Uint32Array.of(1, 0);
  t.deepEqual(
    (await latents.batch([5, 30], flips)).latents,
    await expected(data.pictures, [5, 30], flips),
  );
});

for (const [name, change, sound] of [
  ['torn', (bytes: Buffer) => bytes.subarray(0, -7), 8],
  ['damaged', (bytes: Buffer) => bytes.fill(1, 100, 101), 0],
  ['followed by zeros', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1 << 20)]), 16],
  ['not there', () => Buffer.alloc(0), 0],
] as const)
  test(`of what was encoded, what is ${name} is encoded again`, async (t) => {
    const data = await bars(t);
    const other = { ...data, cache: `${data.cache}-whole` };
    await encode(t, other);
    await interrupted(t, data, 17);
    const path = join(data.cache, (await readdir(data.cache))[0]!);
    await writeFile(path, change(await readFile(path)));
    const { autoencoder } = await encode(t, data);
    t.is(autoencoder.encoded.length, 2 * (COUNT - sound));
    const [file] = await readdir(other.cache);
    t.deepEqual(await readdir(data.cache), [file!]);
    t.deepEqual(await readFile(join(data.cache, file!)), await readFile(join(other.cache, file!)));
  });

/** Begins to encode, and halts at the given picture until it is let on. */
async function halted(
  t: ExecutionContext,
  { pictures, cache }: Awaited<ReturnType<typeof bars>>,
  at: number,
  signal?: AbortSignal,
) {
  const fake = fakeAutoencoder(4, 1);
  const [reached, isReached] = gate();
  const [letOn, isLetOn] = gate();
  const encode = async (picture: Float32Array) => {
    if (fake.encoded.length === 2 * at) {
      reached();
      await isLetOn;
    }
    return fake.encode(picture);
  };
  const options = { mirrored: true, identity: 'one', store: await openStore(cache), signal };
  const ended = encodeDataset(pictures, { ...fake, encode }, options);
  t.teardown(async () => (await ended.catch(() => undefined))?.close());
  await isReached;
  return { ended, letOn, encoded: fake.encoded };
}

/** A promise, and what resolves it. */
function gate(): [open: () => void, opened: Promise<void>] {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [open, opened];
}

test('of two calls at once one encodes, and the other waits for it', async (t) => {
  const data = await bars(t);
  const one = await halted(t, data, 10);
  const other = await encode(t, data, { onWait: one.letOn });
  t.is(one.encoded.length, 2 * COUNT);
  t.is(other.autoencoder.encoded.length, 0);
  t.deepEqual(await other.latents.batch([9, 1]), await (await one.ended).batch([9, 1]));
});

test('if the one that encodes is stopped, the other goes on from there', async (t) => {
  const data = await bars(t);
  const controller = new AbortController();
  const one = await halted(t, data, 19, controller.signal);
  const stopped = t.throwsAsync(one.ended, { message: 'enough' });
  const onWait = () => {
    controller.abort(new Error('enough'));
    one.letOn();
  };
  const other = await encode(t, data, { onWait });
  await stopped;
  t.is(other.autoencoder.encoded.length, 2 * (COUNT - 16));
  const flips = Uint32Array.of(0, 1);
  t.deepEqual(
    (await other.latents.batch([2, 25], flips)).latents,
    await expected(data.pictures, [2, 25], flips),
  );
});

test('whoever waits can be interrupted', async (t) => {
  const data = await bars(t);
  const one = await halted(t, data, 10);
  const reason = new Error('enough');
  const controller = new AbortController();
  const onWait = () => controller.abort(reason);
  t.is(await t.throwsAsync(encode(t, data, { onWait, signal: controller.signal })), reason);
  one.letOn();
  await one.ended;
});

test('latents that are not finite are refused, by the image', async (t) => {
  const data = await bars(t);
  const autoencoder = fakeAutoencoder(4, 1);
  let count = 0;
  const encode = async (picture: Float32Array) =>
    count++ === 10 ? new Float32Array(64).fill(Number.NaN) : picture;
  const options = { mirrored: true, identity: 'one', store: await openStore(data.cache) };
  await t.throwsAsync(encodeDataset(data.pictures, { ...autoencoder, encode }, options), {
    instanceOf: UsageError,
    message: /bars\.idx: image 5: the autoencoder's latents are not finite$/,
  });
  t.deepEqual(await readdir(data.cache), []);
});

test('files that nobody has used for 30 days are removed, and a use counts', async (t) => {
  const data = await bars(t);
  await encode(t, data);
  const [used] = await readdir(data.cache);
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
  const put = async (name: string, days: number) => {
    await writeFile(join(data.cache, name), '');
    await utimes(join(data.cache, name), daysAgo(days), daysAgo(days));
  };
  await utimes(join(data.cache, used!), daysAgo(29), daysAgo(29));
  await put('old.latents', 31);
  await put('newer.latents', 29);
  await put('.left.latents.0123abcd.tmp', 2);
  await put('.written.latents.0123abcd.tmp', 0.5);
  await encode(t, data);
  const left = ['.written.latents.0123abcd.tmp', 'newer.latents', used!].sort();
  t.deepEqual((await readdir(data.cache)).sort(), left);
  t.true((await stat(join(data.cache, used!))).mtime > daysAgo(1));
});

test('without a folder that can be written, latents are in a file that is gone afterwards', async (t) => {
  const data = await bars(t);
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'cache'), 'a file');
  const warnings: string[] = [];
  const store = await LatentStore.open((text) => warnings.push(text), join(folder, 'cache', 'in'));
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /^cannot write .*: part of the path is a file, not a folder \(ENOTDIR\); /);
  const first = await encode(t, data, { store });
  const second = await encode(t, data, { store });
  t.is(second.autoencoder.encoded.length, 2 * COUNT);
  for (const { latents } of [first, second])
    t.deepEqual(
      (await latents.batch([1], Uint32Array.of(1))).latents,
      await expected(data.pictures, [1], Uint32Array.of(1)),
    );
});

/** A store that tells its warnings. */
async function warning(folder: string) {
  const warnings: string[] = [];
  return { warnings, store: await LatentStore.open((text) => warnings.push(text), folder) };
}

test.serial('on a full disk it goes on in a temporary file, with what was encoded', async (t) => {
  const data = await bars(t);
  const { warnings, store } = await warning(data.cache);
  const made: Awaited<ReturnType<typeof encode>>[] = [];
  // Its own file is opened, then pieces are written: the third is struck.
  const { struck, error } = await withFault('ENOSPC', 3, async () => {
    made.push(await encode(t, data, { store }));
  });
  t.is(error, undefined);
  t.true(struck);
  const [{ latents, autoencoder }] = made as [Awaited<ReturnType<typeof encode>>];
  t.is(autoencoder.encoded.length, 2 * (COUNT + 8));
  t.is(warnings.length, 1);
  t.regex(
    warnings[0]!,
    /^cannot write .*\.part: the disk is full \(ENOSPC\); latents are not kept for other runs \(HAZE_CACHE moves them\)$/,
  );
  t.false(store.keeps);
  t.deepEqual(await readdir(data.cache), []);
  const flips = Uint32Array.of(1, 0, 1);
  const some = [3, 18, 39];
  t.deepEqual(
    (await latents.batch(some, flips)).latents,
    await expected(data.pictures, some, flips),
  );
});

test.serial(
  'if temporary files cannot be written either, it says what to do, and keeps what was encoded',
  async (t) => {
    const data = await bars(t);
    const { store } = await warning(data.cache);
    const tmp = process.env.TMPDIR;
    const restore = () => {
      if (tmp === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = tmp;
    };
    t.teardown(restore);
    process.env.TMPDIR = join(data.cache, 'nowhere');
    const { error } = await withFault('ENOSPC', 3, () => encode(t, data, { store }));
    restore();
    t.true(error instanceof RunError);
    t.regex(
      (error as Error).message,
      /^cannot write .*nowhere.*: no such file or folder \(ENOENT\); HAZE_CACHE moves latents to another disk$/,
    );
    const { autoencoder } = await encode(t, data);
    t.is(autoencoder.encoded.length, 2 * (COUNT - 16));
  },
);

test('a folder in the place of a file is no obstacle', async (t) => {
  const data = await bars(t);
  const other = { ...data, cache: `${data.cache}-other` };
  await encode(t, other);
  const [file] = await readdir(other.cache);
  await mkdir(join(data.cache, file!, 'in'), { recursive: true });
  const first = await warning(data.cache);
  const { autoencoder } = await encode(t, data, { store: first.store });
  t.is(autoencoder.encoded.length, 2 * COUNT);
  t.regex(
    first.warnings.join('\n'),
    /^cannot write .*\.latents: .* \(\w+\); latents stay in .*\.part$/,
  );
  const second = await warning(data.cache);
  t.is((await encode(t, data, { store: second.store })).autoencoder.encoded.length, 0);

  const part = file!.replace('.latents', '.part');
  const third = { ...data, cache: `${data.cache}-third` };
  await mkdir(join(third.cache, part, 'in'), { recursive: true });
  const { store, warnings } = await warning(third.cache);
  const { latents } = await encode(t, third, { store });
  t.regex(
    warnings.join('\n'),
    /^cannot write .*\.part: it is a folder \(EISDIR\); latents are not/,
  );
  t.deepEqual(
    (await latents.batch([7])).latents,
    await expected(data.pictures, [7], new Uint32Array(1)),
  );
});

test('a read after the file is closed says so', async (t) => {
  const { latents } = await encode(t, await bars(t));
  await latents.close();
  await t.throwsAsync(latents.batch([0]), { instanceOf: RunError, message: /^cannot read / });
});
