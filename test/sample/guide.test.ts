import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { away } from '../../src/diffusion/guidance.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { drawWith, generate, load, resumeConfig, sample, train } from '../../src/index.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { writeBars, writeLabelledBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const UNET2D = [
  ...['--network', 'unet2d', '--size', '16', '--channels', '1', '--threads', '2'],
  ...['--layers-per-block', '1', '--batch', '4', '--timesteps', '20', '--sample-every', '0'],
];
const WIDTHS = ['--widths', '8,16'];
const EACH = 16 * 16;

async function ok(t: ExecutionContext, folder: string, args: readonly string[]) {
  const outcome = await haze(folder, args);
  t.is(outcome.code, 0, `haze ${args.join(' ')}\n${outcome.stderr}`);
  return outcome;
}

/** A run of four steps that keeps its guide after two of them, and another of one step with fewer channels. */
async function withRuns(t: ExecutionContext) {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const kept = [
    '--steps',
    '4',
    '--save-every',
    '1',
    '--keep',
    '9',
    '--ema',
    '0.5',
    '--keep-guide',
    '0.5',
  ];
  await ok(t, folder, ['train', 'bars.idx', ...UNET2D, ...WIDTHS, ...kept, '--out', 'run']);
  const weak = ['--widths', '4,8', '--groups', '4', '--head-dim', '4', '--steps', '1'];
  await ok(t, folder, ['train', 'bars.idx', ...UNET2D, ...weak, '--out', 'weak']);
  return { folder, at: (name: string) => join(folder, name) };
}

const DDIM = { sampler: 'ddim', steps: 3, count: 3, seed: 5, threads: 2 } as const;

test("guidance moves away from the guide's prediction, alike in sample, generate and an open model", async (t) => {
  const { folder, at } = await withRuns(t);
  for (const guide of [at('weak'), at('run/checkpoints/step-1')]) {
    await using model = await load(at('run'), { threads: 2 });
    await using other = await load(guide, { threads: 2 });
    const network = async (x: Float32Array, time: number) =>
      away({ guidance: 2.5 }, await model.predict(x, time), await other.predict(x, time));
    let expected = new Float32Array();
    const { threads: _, ...settings } = { ...DDIM, timesteps: 20 };
    for await (const { x } of drawWith(network, { ...settings, values: EACH })) expected = x;
    const guided = { ...DDIM, guide, guidance: 2.5 };
    const { images } = await sample(at('run'), guided);
    t.deepEqual(images, expected);
    const { threads: __, ...ofModel } = guided;
    t.deepEqual((await model.sample(ofModel)).images, expected);
    let last = new Float32Array();
    for await (const { x } of model.sampleSteps(ofModel)) last = x;
    t.deepEqual(last, expected);
    const plain = await sample(at('run'), { ...DDIM, guide: 'none' });
    t.notDeepEqual(plain.images, expected);
    t.deepEqual((await sample(at('run'), { ...guided, guidance: 1 })).images, plain.images);
  }
  // A guide that does not take part is looked at, too.
  await t.throwsAsync(sample(at('run'), { ...DDIM, guide: at('nothing'), guidance: 1 }), {
    message: /^sample\.guide: .*nothing: expected a model, got none/,
  });
  const guide = at('weak');
  const files = { ...DDIM, count: 18, guide, guidance: 2.5 } as const;
  const { images } = await sample(at('run'), files);
  await generate(at('run'), { ...files, out: at('files'), format: 'safetensors' });
  const { tensors } = await readSafetensors(at('files/images.safetensors'));
  const bytes = new Arithmetic().toBytes(images);
  t.deepEqual(Array.from([...tensors.values()][0]!.data, Number), [...bytes]);
  const again = ['generate', 'run', '--count', '18', '--out', 'files', '--format', 'safetensors'];
  const same = ['--sampler', 'ddim', '--sample-steps', '3', '--seed', '5'];
  const { code, stderr } = await haze(folder, [...again, ...same, '--guide', 'none']);
  t.is(code, 2);
  t.regex(
    stderr,
    /^haze: --guide: the images in files were drawn with the guide of SHA-256 [0-9a-f]{12}…, got none/m,
  );
  const { stdout } = await ok(t, folder, [
    ...again,
    ...same,
    '--guide',
    'weak',
    '--guidance',
    '2.5',
  ]);
  t.regex(stdout, /0 images made; 18 kept/);
});

const read = (path: string) => readFileSync(path);

test('--keep-guide keeps the averaged weights of its step, also across a resume, and they guide samples', async (t) => {
  const { folder, at } = await withRuns(t);
  const tensors = async (path: string) => (await readSafetensors(at(path))).tensors;
  const guide = await tensors('run/guide.safetensors');
  t.deepEqual(guide, await tensors('run/checkpoints/step-2/ema-0.5.safetensors'));
  // Stopped before and after that step.
  const before = read(at('run/guide.safetensors'));
  const whole = read(at('run/checkpoints/step-4/model.safetensors'));
  for (const step of [1, 3]) {
    const out = at(`stopped-${step}`);
    const controller = new AbortController();
    const config = await resumeConfig(at('run'));
    const onEvent = (event: { kind: string; step?: number }) => {
      if (event.kind === 'step' && event.step === step) controller.abort();
    };
    await t.throwsAsync(train({ config, out, signal: controller.signal, onEvent }));
    t.is(existsSync(join(out, 'guide.safetensors')), step > 2);
    await train({ config, out, resume: true });
    t.deepEqual(read(join(out, 'guide.safetensors')), before);
    t.deepEqual(read(join(out, 'checkpoints/step-4/model.safetensors')), whole);
  }
  const { images } = await sample(at('run'), DDIM);
  const explicit = { ...DDIM, guide: at('run/guide.safetensors'), guidance: 1.5 };
  t.deepEqual((await sample(at('run/checkpoints/step-4'), DDIM)).images, images);
  t.deepEqual((await sample(at('run'), explicit)).images, images);
  t.notDeepEqual((await sample(at('run'), { ...DDIM, guidance: 1 })).images, images);
  const { stderr } = await ok(t, folder, ['sample', 'run', '--count', '1', '--out', 'a.png']);
  t.regex(stderr, /guide\.safetensors/);
  rmSync(at('run/guide.safetensors'));
  const without = await ok(t, folder, ['sample', 'run', '--count', '1', '--out', 'a.png']);
  t.regex(
    without.stderr,
    /^guide: the file run\/guide\.safetensors is missing; without --guide, no other weights guide sampling$/m,
  );
});

test('both the model and its guide receive the classes', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  writeLabelledBars(folder);
  const run = ['train', 'bars-images.idx', '--classes', 'auto', ...UNET2D, ...WIDTHS];
  await ok(t, folder, [...run, '--out', 'run', '--steps', '3', '--save-every', '1']);
  const guide = at('run/checkpoints/step-1');
  await using model = await load(at('run'), { threads: 2 });
  await using other = await load(guide, { threads: 2 });
  const of = ['1', '0', '1'];
  const network = async (x: Float32Array, time: number) =>
    away({ guidance: 3 }, await model.predict(x, time, of), await other.predict(x, time, of));
  const { threads: _, ...settings } = DDIM;
  let expected = new Float32Array();
  for await (const { x } of drawWith(network, { ...settings, timesteps: 20, values: EACH }))
    expected = x;
  const guided = await model.sample({ ...settings, class: ['1', '0'], guide, guidance: 3 });
  t.deepEqual(guided.images, expected);
  t.deepEqual(guided.classes, of);
});

tensorflowTest(
  'guided images on TensorFlow equal those of the engine, within rounding',
  async (t) => {
    const { at } = await withRuns(t);
    const [a, b] = await Promise.all(
      (['wasm', 'tensorflow'] as const).map((device) =>
        sample(at('run'), { ...DDIM, device, guide: at('weak'), guidance: 2 }),
      ),
    );
    close(t, b!.images, a!.images, { rtol: 1e-3, atol: 1e-3, what: 'images' });
    // Five images in batches of two, two at a time.
    const files = { ...DDIM, count: 5, batch: 2, guide: at('weak'), guidance: 2 } as const;
    const [c, d] = await Promise.all(
      (['wasm', 'tensorflow'] as const).map(async (device) => {
        const out = at(`files-${device}`);
        await generate(at('run'), { ...files, device, out, format: 'safetensors' });
        const { tensors } = await readSafetensors(join(out, 'images.safetensors'));
        return Float32Array.from([...tensors.values()][0]!.data, Number);
      }),
    );
    close(t, d!, c!, { atol: 1, what: 'bytes' });
  },
);

test('invalid guides are refused in one line', async (t) => {
  const { folder, at } = await withRuns(t);
  const other = ['--objective', 'v', '--steps', '1', '--out', 'v'];
  await ok(t, folder, ['train', 'bars.idx', ...UNET2D, ...WIDTHS, ...other]);
  const faults: [RegExp, ...string[]][] = [
    [/^haze: --guide: none\/such: expected a model, got none/m, 'run', '--guide', 'none/such'],
    [
      /^haze: --guide: v: expected a model for the same images and noise as run, whose objective is epsilon, got v$/m,
      'run',
      '--guide',
      'v',
    ],
    [
      /^haze: --guidance: weak was trained without classes, so it needs --guide$/m,
      'weak',
      '--guidance',
      '3',
    ],
    [/^haze: --guidance: expected a number from 0 to 1000, got -1$/m, 'run', '--guidance', '-1'],
    [/^haze: --class: run was trained without classes$/m, 'run', '--class', '1'],
  ];
  for (const [message, ...args] of faults) {
    const { code, stderr } = await haze(folder, ['sample', ...args]);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, message);
  }
  for (const share of ['0', '1.5', 'half', '-3']) {
    const flags = ['--steps', '1', '--keep-guide', share, '--out', 'bad'];
    const { code, stderr } = await haze(folder, [
      'train',
      'bars.idx',
      ...UNET2D,
      ...WIDTHS,
      ...flags,
    ]);
    t.is(code, 2);
    t.regex(
      stderr,
      /^haze: --keep-guide: expected a (number above 0|share below 1, or a whole number of steps)/m,
    );
  }
  t.false(existsSync(at('bad')));
});

test('a class run without its guide says that classes may still guide it, and --guide none is guidance by classes', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  writeLabelledBars(folder);
  const run = ['train', 'bars-images.idx', '--classes', 'auto', ...UNET2D, ...WIDTHS];
  await ok(t, folder, [...run, '--out', 'run', '--steps', '3', '--keep-guide', '0.3']);
  const guided = { ...DDIM, guidance: 3 };
  const { images: byGuide } = await sample(at('run'), guided);
  const { images: byClasses } = await sample(at('run'), { ...guided, guide: 'none' });
  t.notDeepEqual(byClasses, byGuide);
  rmSync(at('run/guide.safetensors'));
  t.deepEqual((await sample(at('run'), guided)).images, byClasses);
  const { stderr } = await ok(t, folder, ['sample', 'run', '--count', '1', '--out', 'a.png']);
  t.regex(stderr, /no other weights guide sampling, only --guidance by its classes$/m);
});

test('a guide of the last step is not kept, with a note, and not missed', async (t) => {
  const folder = await temporaryFolder(t);
  writeLabelledBars(folder);
  const run = ['train', 'bars-images.idx', ...UNET2D, ...WIDTHS, '--out', 'run'];
  for (const how of [
    ['--steps', '3', '--keep-guide', '0.99'],
    ['--steps', '2', '--keep-guide', '0.3', '--sync-every', '2'],
  ]) {
    const { stderr } = await ok(t, folder, [...run, ...how]);
    t.regex(stderr, /^guide {3}none is kept: .* of the last of [23] steps, the model itself$/m);
    t.false(existsSync(join(folder, 'run/guide.safetensors')));
    rmSync(join(folder, 'run'), { recursive: true });
  }
  await ok(t, folder, [...run, '--steps', '1', '--keep-guide', '0.5']);
  const { stderr } = await ok(t, folder, ['sample', 'run', '--count', '1', '--out', 'a.png']);
  t.notRegex(stderr, /guide/);
});
