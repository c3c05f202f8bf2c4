import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import type { DataConfig, RunConfig } from '../../src/config/config.js';
import { completeModel } from '../../src/config/network-settings.js';
import { readRunConfig } from '../../src/config/read.js';
import { UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { from, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';
import { newRun, tinyRun, writeBars, writeLabelledBars } from '../helpers/run.js';

const model = completeModel({
  ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1, groups: 4, headDim: 8 },
});

function labelled(
  source: string,
  data: Partial<DataConfig> = {},
  training: Partial<RunConfig['training']> = {},
): RunConfig {
  const run = tinyRun(source, { steps: 2, batch: 4, labelDropout: 0.1, ...training });
  const classes = { by: 'auto', names: [] } as const;
  return { ...run, model, data: { ...run.data, classes, ...data } };
}

const refused = (t: ExecutionContext, config: RunConfig, out: string, message: RegExp) =>
  t.throwsAsync(train(newRun(config, out)), { instanceOf: UsageError, message });

/** Sub-folders of pictures. */
async function folders(root: string, names: readonly string[]): Promise<string> {
  const picture = await from(slopes(16, 16), 16, 16).png().toBuffer();
  for (const name of names) {
    await mkdir(join(root, name), { recursive: true });
    for (const file of ['1.png', '2.png', '3.png'])
      await writeFile(join(root, name, file), picture);
  }
  return root;
}

test('a run keeps the names of its classes, and its network has an extra class for none', async (t) => {
  const folder = await temporaryFolder(t);
  const out = join(folder, 'run');
  await train(newRun(labelled(writeLabelledBars(folder)), out));
  const { data, model } = await readRunConfig(join(out, 'config.json'));
  t.deepEqual(data.classes, { by: 'labels', names: ['0', '1', '2'] });
  t.is(model.kind === 'unet2d' && model.numClasses, 4);
  const { tensors } = await readSafetensors(join(out, 'checkpoints/step-2/model.safetensors'));
  t.deepEqual(tensors.get('class_embedding.weight')!.shape, [4, 32]);
});

test('shuffled or dropped labels give different weights', async (t) => {
  const folder = await temporaryFolder(t);
  const states: string[] = [];
  for (const [i, [labelOf, labelDropout]] of (
    [
      [(k: number) => k % 3, 0.1],
      [(k: number) => (k + 1) % 3, 0.1],
      [(k: number) => k % 3, 0.9],
    ] as const
  ).entries()) {
    const own = join(folder, String(i));
    await mkdir(own);
    const out = join(own, 'run');
    await train(newRun(labelled(writeLabelledBars(own, labelOf), {}, { labelDropout }), out));
    const { tensors } = await readSafetensors(join(out, 'checkpoints/step-2/model.safetensors'));
    states.push(String(tensors.get('conv_out.weight')!.data));
  }
  t.is(new Set(states).size, 3);
});

test('subfolders are classes, and their held-out images are evaluated', async (t) => {
  const folder = await temporaryFolder(t);
  const source = await folders(join(folder, 'photos'), ['bus', 'van', 'car']);
  const heldOut = { source: await folders(join(folder, 'others'), ['van']) };
  const out = join(folder, 'run');
  const data = { classes: { by: 'folders', names: [] }, heldOut } as const;
  const result = await train(newRun(labelled(source, data), out));
  t.true(Number.isFinite(result.heldOutLoss));
  const { data: written } = await readRunConfig(join(out, 'config.json'));
  t.deepEqual(written.classes, { by: 'folders', names: ['bus', 'car', 'van'] });
  const lines = await readMetrics(join(out, 'metrics.jsonl'));
  t.true(lines.some((line) => 'heldOutLoss' in line));
});

test("a run's grid has a row per class", async (t) => {
  const folder = await temporaryFolder(t);
  const out = join(folder, 'run');
  await train(newRun(labelled(writeLabelledBars(folder), {}, { sampleEvery: 2 }), out));
  // Three rows of five images of 16 pixels, six times enlarged, with gaps of two.
  const { width, height } = await sharp(join(out, 'samples/step-2.png')).metadata();
  t.deepEqual([width, height], [5 * 98 + 2, 3 * 98 + 2]);
});

test('data without classes, with a single one, or with others than requested are refused in one line', async (t) => {
  const folder = await temporaryFolder(t);
  const out = join(folder, 'run');
  await refused(
    t,
    labelled(writeBars(folder)),
    out,
    /^--classes: .*bars\.idx: expected "images" in its name/,
  );
  const alone = await folders(join(folder, 'alone'), ['van']);
  await refused(
    t,
    labelled(alone),
    out,
    /^--classes: .*alone: expected two classes or more, got only van$/,
  );
  await refused(
    t,
    labelled(await folders(join(folder, 'absent'), ['van', 'none'])),
    out,
    /^--classes: .*absent: expected no class of the name none, .*, got one; rename it$/,
  );
  const same = writeLabelledBars(folder, () => 1);
  await refused(
    t,
    labelled(same),
    out,
    /^--classes: .*: expected two classes or more, got only 1$/,
  );
  const array = join(folder, 'images.npy');
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 16, 16), }".padEnd(117);
  const head = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([118, 0])]);
  await writeFile(array, Buffer.concat([head, Buffer.from(`${header}\n`), Buffer.alloc(8 * 256)]));
  await refused(
    t,
    labelled(array),
    out,
    /^--classes: .*images\.npy does not say which class each image is of$/,
  );
  const bodies = { classes: { by: 'folders', names: [] } } as const;
  await refused(
    t,
    labelled('toy-cars', bodies),
    out,
    /^--classes: toy-cars has classes by bodies, got folders$/,
  );
});

test('held-out images without classes, or of an unknown class, are refused in one line', async (t) => {
  const folder = await temporaryFolder(t);
  const source = await folders(join(folder, 'photos'), ['bus', 'van']);
  const out = join(folder, 'run');
  const held = async (name: string, own: readonly string[]) => ({
    heldOut: { source: await folders(join(folder, name), own) },
  });
  await refused(
    t,
    labelled(source, await held('other', ['bus', 'lorry'])),
    out,
    /^--held-out: .*other: expected images of the classes bus, van, got some of lorry$/,
  );
  await refused(
    t,
    labelled(source, await held('plain', ['.'])),
    out,
    /^--held-out: .*plain: expected every image in a folder named after its class, got 3 outside any/,
  );
});

test('a resume on data with other classes is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const source = await folders(join(folder, 'photos'), ['bus', 'van']);
  const out = join(folder, 'run');
  await train(newRun(labelled(source), out));
  await folders(source, ['car']);
  const config = await readRunConfig(join(out, 'config.json'));
  const longer = { ...config, training: { ...config.training, steps: 3 } };
  await t.throwsAsync(train({ ...newRun(longer, out), resume: true }), {
    instanceOf: UsageError,
    message:
      /^--classes: .*photos has bus, car, van, but the run was begun with bus, van; a resume may not change them$/,
  });
});

/** The warnings of a run of the data. */
async function warnings(config: RunConfig, out: string): Promise<string[]> {
  const texts: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'warning') texts.push(event.text);
  };
  await train({ ...newRun(config, out), onEvent });
  return texts;
}

test('classes without an image to train on are named in one line, and stay classes', async (t) => {
  const folder = await temporaryFolder(t);
  const photos = await folders(join(folder, 'photos'), ['bus', 'van']);
  t.deepEqual(await warnings(labelled(photos), join(folder, 'whole')), []);
  await mkdir(join(photos, 'bad'));
  await writeFile(join(photos, 'bad', 'x.png'), 'text');
  const out = join(folder, 'run');
  const [skipped, empty, ...more] = await warnings(labelled(photos), out);
  t.regex(skipped!, /^skipped .*x\.png: /);
  t.regex(empty!, /photos: class bad has no image to train on$/);
  t.deepEqual(more, []);
  const { data } = await readRunConfig(join(out, 'config.json'));
  t.deepEqual(data.classes?.names, ['bad', 'bus', 'van']);
  const sparse = writeLabelledBars(folder, (k) => 50 * (k % 2));
  const [many] = await warnings(labelled(sparse), join(folder, 'sparse'));
  t.regex(
    many!,
    /bars-images\.idx: 49 of 51 classes have no image to train on: 1, 2, .*, 12, … \(49\)$/,
  );
});
