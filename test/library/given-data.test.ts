import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  type GivenImage,
  type RunSettings,
  resumeConfig,
  runConfig,
  type TrainEvent,
  train,
  UsageError,
} from '../../src/index.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';

const SETTINGS: RunSettings = {
  ...{ size: 16, widths: [8, 16], timeDim: 8, batch: 8, timesteps: 20 },
  channels: 1,
  ...{ saveEvery: 0, sampleEvery: 0, threads: 1, heldOut: 0.2 },
};

/** The images of an IDX file of `writeBars`. */
function bars(file: string): GivenImage[] {
  const bytes = readFileSync(file).subarray(16);
  return Array.from({ length: bytes.length / 256 }, (_, i) => ({
    ...{ width: 16, height: 16, channels: 1 },
    pixels: bytes.subarray(256 * i, 256 * (i + 1)),
  }));
}

test('a run on images of a program is that on the same images in a file, and goes on with them alone', async (t) => {
  const folder = await temporaryFolder(t);
  const file = writeBars(folder);
  const images = bars(file);
  const weights = (run: string) =>
    readFileSync(join(folder, run, 'checkpoints', 'step-6', 'model.safetensors'));
  const config = runConfig({ ...SETTINGS, data: file, steps: 6 });
  await train({ config, out: join(folder, 'file') });

  const out = join(folder, 'own');
  const own = runConfig({ ...SETTINGS, data: images, steps: 3 });
  t.is(own.data.source, 'given by a program');
  async function* data() {
    yield* images;
  }
  await train({ config: own, out, data: data() });
  const resumed = await resumeConfig(out, { data: images, steps: 6 });
  const warnings: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'warning') warnings.push(event.text);
  };
  await train({ config: resumed, out, data: images, resume: true, onEvent });
  t.deepEqual(warnings, []);
  t.deepEqual(weights('own'), weights('file'));

  const longer = await resumeConfig(out, { steps: 7 });
  const others = images.map((image) => ({ ...image, pixels: image.pixels.map((v) => 255 - v) }));
  await train({ config: longer, out, data: others, resume: true, onEvent });
  t.deepEqual(warnings, ['the checkpoint was trained on other images: from here it takes others']);
  await t.throwsAsync(train({ config: longer, out, resume: true }), {
    instanceOf: UsageError,
    message: /own: expected images, which a program gave this run and alone can give it again/,
  });
  const { code, stderr } = await haze(folder, ['train', '--out', 'own', '--resume']);
  t.is(code, 2);
  t.regex(stderr, /^haze: own: expected images, which a program gave this run and alone.*\n$/);
});

test('images beside a config that names others, or none, are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const file = writeBars(folder);
  const config = runConfig({ ...SETTINGS, data: file, steps: 1 });
  const out = join(folder, 'run');
  await t.throwsAsync(train({ config, out, data: bars(file) }), {
    instanceOf: UsageError,
    message:
      /^train\.data: the config names its data, .*bars\.idx; runConfig\(\{ data: images \}\)/,
  });
});
