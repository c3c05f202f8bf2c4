import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { grid, type SampleSettings, sample, toImages } from '../../src/index.js';
import { readJsonFileSync, runPaths } from '../../src/io/run.js';
import { autoencoderFolder } from '../helpers/autoencoder-fixture.js';
import { haze, meanwhile, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { hashes } from '../helpers/generate.js';
import { latentRun } from '../helpers/latent-run.js';
import { workerHere } from '../helpers/queue-worker.js';
import { redisTest, startRedis } from '../helpers/redis.js';
import { writeBars } from '../helpers/run.js';

const FEW = ['--sampler', 'ddim', '--sample-steps', '3'];
const UNET = { network: 'unet2d', layers: '1', groups: '4' };

/** The grid of what the library draws with the same settings. */
async function gridOf(run: string, settings: SampleSettings): Promise<Uint8Array> {
  const { images, pictures } = await sample(run, { sampler: 'ddim', steps: 3, ...settings });
  return grid(toImages(images, pictures)).data;
}

const raw = (path: string) => sharp(path).raw().toBuffer();

test('sample and generate write the pictures of latents', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const folder = dirname(run);
  const call = (...args: string[]) => haze(folder, args);
  const drawn = await call('sample', 'run', ...FEW, '--count', '1', '--out', 'one.png');
  t.is(drawn.code, 0, drawn.stderr);
  t.regex(drawn.stderr, /^decoded to pictures of 32x32x3 by AutoencoderTiny on wasm/m);
  t.regex(drawn.stderr, /^decoded picture 1\/1/m);
  const one = new Uint8Array(await raw(join(folder, 'one.png')));
  t.deepEqual(one, await gridOf(run, { count: 1 }));
  const films = ['--film', 'film.png', '--gif', 'film.gif', '--count', '4'];
  const filmed = await call('sample', 'run', ...FEW, ...films);
  t.is(filmed.code, 0, filmed.stderr);
  const { height } = await sharp(join(folder, 'film.png')).metadata();
  t.true(height! >= 4 * 32);
  const generated = await call('generate', 'run', ...FEW, '--count', '3', '--out', 'many');
  t.is(generated.code, 0, generated.stderr);
  const { images, pictures } = await sample(run, { sampler: 'ddim', steps: 3, count: 3 });
  const { data } = toImages(images, pictures);
  const each = 32 * 32 * 3;
  t.deepEqual(new Uint8Array(await raw(join(folder, 'many', '000002.png'))), data.slice(2 * each));
});

test('the samples of a run on latents are pictures, those of sample', async (t) => {
  const folder = await temporaryFolder(t);
  const autoencoder = await autoencoderFolder(t, 'tiny_16');
  const network = ['--size', '8', '--widths', '8,8', '--timesteps', '20'];
  const trained = await haze(
    folder,
    [
      ...['train', 'toy-cars', '--autoencoder', autoencoder, ...network, '--out', 'run'],
      ...['--steps', '2', '--batch', '4', '--sample-every', '2', '--seed', '3'],
    ],
    { HAZE_CACHE: join(folder, 'cache') },
  );
  t.is(trained.code, 0, trained.stderr);
  const drawn = await haze(folder, ['sample', 'run', '--seed', '3']);
  t.is(drawn.code, 0, drawn.stderr);
  const samples = await raw(join(folder, 'run', 'samples', 'step-2.png'));
  t.deepEqual(samples, await raw(join(folder, 'samples.png')));
});

test('a run that was killed while pictures were encoded goes on from there, to the same bits', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder, 1000, 32);
  const autoencoder = await autoencoderFolder(t, 'tiny_16');
  const call = (out: string) => [
    ...['train', data, '--autoencoder', autoencoder, '--out', out, '--size', '8'],
    ...['--widths', '8,8', '--timesteps', '20', '--steps', '2', '--batch', '4'],
  ];
  const env = { HAZE_CACHE: join(folder, 'cache') };
  const latents = join(env.HAZE_CACHE, 'latents');
  const partOf = async () => {
    const names = await readdir(latents).catch(() => []);
    return names.find((name) => name.endsWith('.part'));
  };
  const killed = startHaze(t, folder, call('run'), env);
  await meanwhile(killed, async () => {
    const part = await partOf();
    return part !== undefined && (await stat(join(latents, part))).size > 100_000;
  });
  killed.process.kill('SIGKILL');
  await killed.exit;
  t.false(existsSync(join(folder, 'run')));
  const part = await readFile(join(latents, (await partOf())!));
  const trained = await haze(folder, call('run'), env);
  t.is(trained.code, 0, trained.stderr);
  const [, first] = /^image (\d+)\/1000 · encoded/m.exec(trained.stderr)!;
  t.true(Number(first) > 8, trained.stderr);
  const [file] = await readdir(latents);
  const whole = await readFile(join(latents, file!));
  t.true(whole.subarray(0, 100_000).equals(part.subarray(0, 100_000)));
  const other = { HAZE_CACHE: join(folder, 'other') };
  const fresh = await haze(folder, call('fresh'), other);
  t.is(fresh.code, 0, fresh.stderr);
  t.deepEqual(await readdir(join(other.HAZE_CACHE, 'latents')), [file!]);
  t.true(whole.equals(await readFile(join(other.HAZE_CACHE, 'latents', file!))));
});

redisTest('generate draws over a queue what it draws alone', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const folder = dirname(run);
  const server = await startRedis(t);
  await workerHere(t, server, { lostAfter: 30 });
  const few = ['generate', 'run', ...FEW, '--count', '5'];
  const env = { HAZE_CACHE: join(folder, 'cache'), REDIS_URL: server.url };
  const queued = await haze(folder, [...few, '--out', 'queued', '--queue', 'env'], env);
  t.is(queued.code, 0, queued.stderr);
  t.regex(queued.stdout, /^queued: 5 images made/);
  const local = await haze(folder, [...few, '--out', 'local']);
  t.is(local.code, 0, local.stderr);
  const [made, expected] = [
    await hashes(join(folder, 'queued')),
    await hashes(join(folder, 'local')),
  ];
  t.is(Object.keys(expected).length, 5);
  t.deepEqual(made, expected);
  const other = await autoencoderFolder(t, 'tiny_16', { scaling_factor: 1.25 });
  const refused = await haze(folder, [...few, '--out', 'local', '--autoencoder', other]);
  t.is(refused.code, 2);
  t.regex(
    refused.stderr,
    /^haze: --autoencoder: the images in local were drawn with the autoencoder of SHA-256 [0-9a-f]{12}…, got the autoencoder of SHA-256 [0-9a-f]{12}…; give another --out$/m,
  );
});

test('a picture is redrawn', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const folder = dirname(run);
  const grey = (name: string, bytes: Uint8Array, channels: 1 | 3) =>
    sharp(bytes, { raw: { width: 32, height: 32, channels } }).toFile(join(folder, name));
  const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (7 * i) % 256);
  await grey('from.png', pixels, 3);
  await grey(
    'mask.png',
    Uint8Array.from({ length: 32 * 32 }, (_, i) => (i % 32 < 9 ? 0 : 255)),
    1,
  );
  const redraw = ['--from', 'from.png', '--mask', 'mask.png', '--count', '1'];
  const { code, stderr } = await haze(folder, ['sample', 'run', ...FEW, ...redraw]);
  t.is(code, 0, stderr);
  const drawn = await raw(join(folder, 'samples.png'));
  const redrawn = { from: join(folder, 'from.png'), mask: join(folder, 'mask.png') };
  t.deepEqual(new Uint8Array(drawn), await gridOf(run, { ...redrawn, count: 1 }));
});

test('inspect shows the latents, their pictures and the autoencoder', async (t) => {
  const run = await latentRun(t, 'kl_plain_grey_16');
  const text = await haze(dirname(run), ['inspect', 'run']);
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /^latents +8x8, 4 channels$/m);
  t.regex(text.stdout, /^pictures +32x32 grey, by the AutoencoderKL in run\/vae$/m);
  const json = await haze(dirname(run), ['inspect', 'run', '--json']);
  t.deepEqual(JSON.parse(json.stdout).autoencoder, {
    class: 'AutoencoderKL',
    folder: join('run', 'vae'),
    pictures: { size: 32, channels: 1 },
  });
});

test('export writes a pipeline with the autoencoder, and says what it leaves out', async (t) => {
  const run = await latentRun(t, 'tiny_16', UNET);
  const folder = dirname(run);
  const { code, stdout, stderr } = await haze(folder, [
    ...['export', 'diffusers', 'run', '--out', 'pipeline'],
  ]);
  t.is(code, 0, stderr);
  t.is(stdout, 'pipeline: LDMPipeline.from_pretrained reads it\n');
  t.regex(
    stderr,
    /^shift_factor: diffusers' pipeline leaves out that of the autoencoder, -0\.25;/m,
  );
  const config = readJsonFileSync(join(folder, 'pipeline', 'vqvae', 'config.json'));
  t.deepEqual(config, readJsonFileSync(join(runPaths(run).vae, 'config.json')));
  const drawn = await haze(folder, ['sample', 'pipeline', '--count', '1']);
  t.is(drawn.code, 0, drawn.stderr);
  const own = await haze(folder, ['sample', 'run', '--count', '1', '--out', 'own.png']);
  t.is(own.code, 0, own.stderr);
  t.deepEqual(await raw(join(folder, 'samples.png')), await raw(join(folder, 'own.png')));
});

test('what latents do not have is refused in one line, before anything is drawn', async (t) => {
  const run = await latentRun(t, 'tiny_16', UNET);
  const folder = dirname(run);
  const other = await autoencoderFolder(t, 'kl_odd_12');
  const before = await readdir(folder);
  const refused = async (args: string[], message: RegExp) => {
    const { code, stdout, stderr } = await haze(folder, args);
    t.is(code, 2, stderr);
    t.regex(stderr.trimEnd().split('\n').at(-1)!, message);
    t.is(stdout, '');
  };
  await refused(
    ['sample', 'run', '--autoencoder', other],
    /^haze: --autoencoder: .*: expected latents of 5 channels, as run has, got 3$/,
  );
  const weights = join(run, 'checkpoints', 'step-1', 'model.safetensors');
  const bare = ['--timesteps', '20', '--size', '8', '--groups', '4'];
  for (const command of ['sample', 'generate'])
    await refused(
      [command, weights, ...bare],
      /^haze: .*: its images have 5 channels, so they are latents; --autoencoder gives the autoencoder/,
    );
  await refused(
    ['export', 'diffusers', weights, ...bare, '--out', 'pipeline'],
    /so they are latents; --autoencoder gives/,
  );
  await rm(runPaths(run).vae, { recursive: true });
  await refused(['sample', 'run'], /^haze: run\/vae: expected the folder of an AutoencoderKL or/);
  t.deepEqual(await readdir(folder), before);
  t.false(existsSync(join(folder, 'generated')));
});

test('evaluate shows the losses on latents of held-out pictures, and that there is no bound', async (t) => {
  const run = await latentRun(t, 'kl_plain_grey_16');
  const held = ['--held-out', 'toy-cars', '--held-out-images', '3'];
  const { code, stdout, stderr } = await haze(dirname(run), ['evaluate', 'run', ...held]);
  t.is(code, 0, stderr);
  t.regex(stderr, /^latents 8x8x4 of pictures of 32x32x1, by AutoencoderKL on wasm/m);
  t.regex(stdout, /^held out +toy-cars: 3 images at each of 20 timesteps, seed 0\n/);
  t.regex(stdout, /^timesteps +l1 +l2 +huber *$/m);
  t.regex(stdout, /^15 to 19( +[\d.]+){3} *$/m);
  t.regex(stdout, /^losses of latents; bits per dimension are those of bytes, which latents/m);
});

test('bare weights draw pictures by an autoencoder that is given', async (t) => {
  const run = await latentRun(t, 'tiny_16', UNET);
  const folder = dirname(run);
  const weights = join(run, 'checkpoints', 'step-1', 'model.safetensors');
  const given = ['--size', '8', '--timesteps', '20', '--groups', '4'];
  const one = ['--count', '1', '--autoencoder', runPaths(run).vae];
  const { code, stderr } = await haze(folder, ['sample', weights, ...given, ...FEW, ...one]);
  t.is(code, 0, stderr);
  const drawn = new Uint8Array(await raw(join(folder, 'samples.png')));
  t.deepEqual(drawn, await gridOf(run, { count: 1 }));
});
