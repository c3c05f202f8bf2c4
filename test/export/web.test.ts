import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { openSite } from '../../src/browser/open-site.js';
import { grid, sample, toImages } from '../../src/index.js';
import { readTensors } from '../../src/io/read-tensors.js';
import { readHeader, writeSafetensors } from '../../src/io/safetensors.js';
import { BROWSER_CONDITIONS } from '../helpers/browser-conditions.js';
import { haze, refuses } from '../helpers/cli.js';
import { digest } from '../helpers/digest.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { LATENT_SIZE, latentRun } from '../helpers/latent-run.js';

const SIMPLE = { size: '16', widths: '8,16', timesteps: '12' };
const SMALL_LATENTS = { ...SMALL, size: String(LATENT_SIZE) };

/** What everything beside the weights may take, and what one visit loads of that. */
const BUDGET = 1_000_000;
const VISIT = 450_000;

interface Told {
  readonly about: Readonly<Record<string, unknown>>;
  readonly steps: readonly number[];
  readonly images: string;
  readonly grid: string;
  readonly refused?: string;
}

/** What the files of a browser draw of an exported folder. */
async function drawSite(folder: string, settings: object): Promise<Told> {
  const script = fileURLToPath(new URL('../helpers/draw-site.js', import.meta.url));
  const args = [...BROWSER_CONDITIONS, script, folder, JSON.stringify(settings)];
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout) as Told;
}

const sizeOf = (folder: string, names: readonly string[]): number =>
  names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

test('a site has page, kernels, headers and weights of two bytes per parameter, within its size budget', async (t) => {
  const run = await freshRun(t, SIMPLE);
  const site = join(run, '..', 'site');
  const { code, stdout, stderr } = await haze(run, ['export', 'web', '.', '--out', site]);
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /a page that draws images in the visitor's browser: \d.*KiB, and \d.*KiB of weights \(f16\)/,
  );
  t.regex(stdout, /^next {2}npx serve \S+site /m);
  const names = readdirSync(site).sort();
  const page = ['index.html', 'page.js', 'style.css', 'engine.js', 'web-worker.js', 'model.json'];
  const kernels = ['haze.relaxed.wasm', 'haze.strict.wasm'];
  const hosts = ['_headers', '.htaccess', 'vercel.json', 'isolation.js'];
  t.deepEqual(names, [...page, ...kernels, ...hosts, 'weights.safetensors'].sort());
  const beside = sizeOf(site, names) - sizeOf(site, ['weights.safetensors']);
  t.true(beside < BUDGET, `${beside} bytes beside the weights`);
  const visit = sizeOf(site, [...page, kernels[1]!, 'isolation.js']);
  t.true(visit < VISIT, `${visit} bytes a visit`);
  const { tensors } = await readHeader(join(site, 'weights.safetensors'));
  for (const [name, { dtype }] of tensors)
    t.is(dtype, name.endsWith('.num_batches_tracked') ? 'I64' : 'F16', name);
  const told = readFileSync(join(site, 'model.json'), 'utf8');
  t.notRegex(told, /toy-cars|"training"|"data"/);
});

test('the files for hosts set the same headers as the service worker', async (t) => {
  const run = await freshRun(t, SIMPLE);
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site])).code, 0);
  const worker = readFileSync(join(site, 'isolation.js'), 'utf8');
  const set = [...worker.matchAll(/headers\.set\('([^']+)', '([^']+)'\)/g)];
  t.is(set.length, 2);
  for (const [, key, value] of set)
    for (const [name, form] of [
      ['_headers', `${key}: ${value}`],
      ['.htaccess', `${key} "${value}"`],
    ] as const)
      t.true(readFileSync(join(site, name), 'utf8').includes(form), `${name}: ${form}`);
  const { headers } = JSON.parse(readFileSync(join(site, 'vercel.json'), 'utf8')) as {
    headers: { source: string; headers: { key: string; value: string }[] }[];
  };
  t.deepEqual(
    headers[0]!.headers.map(({ key, value }) => [key, value]),
    set.map(([, key, value]) => [key, value]),
  );
});

test('weights of two bytes are the nearest halves, and weights of four are unchanged', async (t) => {
  const run = await freshRun(t, SMALL);
  const [half, full] = [join(run, '..', 'half'), join(run, '..', 'full')];
  t.is((await haze(run, ['export', 'web', '.', '--out', half])).code, 0);
  const f32 = ['--precision', 'f32'];
  t.is((await haze(run, ['export', 'web', '.', '--out', full, ...f32])).code, 0);
  const [small, large] = [half, full].map((folder) => join(folder, 'weights.safetensors'));
  const [rounded, exact] = [await readTensors(small!), await readTensors(large!)];
  t.deepEqual([...rounded.tensors.keys()], [...exact.tensors.keys()]);
  let furthest = 0;
  for (const [name, { data }] of exact.tensors)
    data.forEach((value: number | bigint, i: number) => {
      const got = Number(rounded.tensors.get(name)!.data[i]);
      furthest = Math.max(
        furthest,
        Math.abs(got - Number(value)) / Math.max(2 ** -14, Math.abs(Number(value))),
      );
    });
  // Half of the 2^-10 of its power of two that a half keeps.
  t.true(furthest > 0 && furthest <= 2 ** -11, String(furthest));
  t.true(statSync(small!).size < 0.6 * statSync(large!).size);
});

test('with weights of four bytes, the code for browsers draws the bits of haze sample', async (t) => {
  const run = await freshRun(t, SIMPLE, {
    sampling: { sampler: 'dpm++2m', steps: 4, clamp: 1.5 },
  });
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site, '--precision', 'f32'])).code, 0);
  for (const settings of [
    { count: 5 },
    { count: 18, seed: 2 ** 40 + 3, sampler: 'ancestral' },
    { count: 2, sampler: 'heun', steps: 3, norm: 'batch' },
  ] as const) {
    const told = await drawSite(site, settings);
    const expected = await sample(run, settings);
    t.is(told.images, digest(expected.images), JSON.stringify(settings));
    t.is(told.steps.at(-1), Math.max(...told.steps));
  }
  const { about } = await drawSite(site, { count: 1 });
  t.like(about, { size: 16, channels: 3, count: 16, classes: [], guide: null, processors: 1 });
  t.deepEqual((about.samplers as object[])[0], { name: 'dpm++2m', steps: 4 });
});

test('with classes and guidance, the code for browsers draws the bits and the grid of haze sample', async (t) => {
  const run = await freshRun(t, SMALL, { classes: ['bus', 'van', 'lorry'] });
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site, '--precision', 'f32'])).code, 0);
  const settings = { count: 5, seed: 4, sampler: 'ddim', steps: 3, guidance: 2.5 } as const;
  const told = await drawSite(site, settings);
  t.is(told.images, digest((await sample(run, settings)).images));
  t.like(told.about, { classes: ['bus', 'van', 'lorry'], none: true, count: 24 });
  const flags = ['--count', '5', '--seed', '4', '--sampler', 'ddim', '--sample-steps', '3'];
  const picture = join(run, 'grid.png');
  const drawn = await haze(run, ['sample', '.', ...flags, '--guidance', '2.5', '--out', picture]);
  t.is(drawn.code, 0, drawn.stderr);
  t.is(told.grid, digest(await sharp(picture).raw().toBuffer()));
  const one = { ...settings, class: 'van', guidance: 1 };
  t.is((await drawSite(site, one)).images, digest((await sample(run, one)).images));
});

test("a run's guide is exported and guides as in haze sample; --guide none omits it", async (t) => {
  const run = await freshRun(t, SMALL, { guide: true });
  const [site, without] = [join(run, '..', 'site'), join(run, '..', 'without')];
  t.is((await haze(run, ['export', 'web', '.', '--out', site, '--precision', 'f32'])).code, 0);
  const settings = { count: 2, sampler: 'euler', steps: 3 } as const;
  const told = await drawSite(site, settings);
  t.is(told.images, digest((await sample(run, settings)).images));
  t.is(told.about.guide, 1.5);
  const alone = { ...settings, guidance: 1 };
  const unguided = await drawSite(site, alone);
  t.is(unguided.images, digest((await sample(run, alone)).images));
  t.not(unguided.images, told.images);
  t.is((await haze(run, ['export', 'web', '.', '--out', without, '--guide', 'none'])).code, 0);
  t.false(readdirSync(without).includes('guide.safetensors'));
  t.is((await drawSite(without, settings)).about.guide, null);
});

test('of latents, the site has the decoder alone, and the code for browsers draws the pictures of haze sample', async (t) => {
  for (const [name, latents, settings] of [
    ['tiny_16', 5, { count: 3, sampler: 'euler', steps: 3 }],
    ['kl_odd_12', 3, { count: 2, seed: 9, sampler: 'ddim', steps: 2 }],
    ['kl_plain_grey_16', 4, { count: 17, sampler: 'unipc', steps: 2 }],
  ] as const) {
    const run = await latentRun(t, name);
    const site = join(run, '..', 'site');
    const args = ['export', 'web', '.', '--out', site, '--precision', 'f32'];
    const { code, stdout, stderr } = await haze(run, args);
    t.is(code, 0, stderr);
    t.regex(
      stdout,
      /^its decoder has [\d.]+ KiB of them, and takes [\d.]+ [KM]iB of memory for images of (32x32|16x16)$/m,
    );
    const { tensors } = await readHeader(join(site, 'decoder.safetensors'));
    for (const tensor of tensors.keys()) t.regex(tensor, /^(decoder|post_quant_conv)\./);
    const { images, pictures } = await sample(run, settings);
    const told = await drawSite(site, settings);
    t.is(told.images, digest(images), name);
    t.is(told.grid, digest(grid(toImages(images, pictures)).data), name);
    const batches = Math.ceil(settings.count / 16);
    const all = batches * settings.steps + settings.count;
    t.deepEqual(
      told.steps,
      Array.from({ length: all }, (_, i) => i + 1),
    );
    const { size, channels } = pictures;
    t.like(told.about, { size, channels, latents: { size: LATENT_SIZE, channels: latents } });
  }
});

test('of latents, classes and a guide work as in haze sample', async (t) => {
  const run = await latentRun(t, 'tiny_16', SMALL_LATENTS, {
    classes: ['bus', 'van'],
    guide: true,
  });
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site, '--precision', 'f32'])).code, 0);
  for (const settings of [
    { count: 3, sampler: 'ddim', steps: 2, guidance: 2 },
    { count: 2, sampler: 'ddim', steps: 2, guidance: 1, class: 'van' },
  ] as const)
    t.is((await drawSite(site, settings)).images, digest((await sample(run, settings)).images));
});

test("a decoder's weights have two bytes by default, and another one's are refused", async (t) => {
  const run = await latentRun(t, 'kl_odd_12');
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site])).code, 0);
  const file = join(site, 'decoder.safetensors');
  const { tensors } = await readTensors(file);
  for (const { dtype } of (await readHeader(file)).tensors.values()) t.is(dtype, 'F16');
  t.is((await drawSite(site, { count: 1, sampler: 'ddim', steps: 1 })).refused, undefined);
  const model: unknown = JSON.parse(readFileSync(join(site, 'model.json'), 'utf8'));
  const weights = readFileSync(join(site, 'weights.safetensors'));
  await t.throwsAsync(
    openSite({ model, weights }, () => {}),
    { message: 'model.autoencoder: expected the bytes of decoder.safetensors, got none' },
  );
  const bias = tensors.get('decoder.conv_out.bias')!;
  await writeSafetensors(file, new Map([...tensors].filter(([, tensor]) => tensor !== bias)));
  await t.throwsAsync(drawSite(site, {}), {
    message: /decoder\.safetensors: decoder\.conv_out\.bias: expected the shape \[\d+\], got none/,
  });
});

test('a decoder that is too large for a page is refused before anything is drawn', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site])).code, 0);
  const file = join(site, 'model.json');
  const described = JSON.parse(readFileSync(file, 'utf8')) as { model: object };
  const model = { ...described.model, size: 4096 };
  writeFileSync(file, JSON.stringify({ ...described, model }));
  const { refused } = await drawSite(site, { count: 1 });
  t.regex(
    refused ?? 'it drew',
    /^autoencoder: the decoder of pictures of 16384 x 16384: memory: this needs [\d.]+ GiB, available are 4\.00 GiB;/,
  );
});

test('invalid settings are refused with the names that programs use', async (t) => {
  const run = await freshRun(t, SIMPLE);
  const site = join(run, '..', 'site');
  t.is((await haze(run, ['export', 'web', '.', '--out', site])).code, 0);
  for (const [settings, message] of [
    [{ steps: 13 }, /^draw\.steps: expected a whole number from 1 to 12, got 13$/],
    [
      { sampler: 'flow-euler' },
      /^draw\.sampler: flow-euler does not support a model of objective epsilon/,
    ],
    [{ seed: -1 }, /^draw\.seed: /],
    [{ count: 0 }, /^draw\.count: /],
    [{ class: 'bus' }, /^draw\.class: the model was trained without classes$/],
    [
      { workers: 2 },
      /^draw\.workers: expected 1, since the page is not cross-origin isolated, got 2$/,
    ],
    [{ step: 3 }, /^draw\.step: unknown field \(did you mean steps\?\)$/],
  ] as const)
    t.regex((await drawSite(site, settings)).refused ?? 'it drew', message);
});

test('latents that no page could decode are refused', async (t) => {
  const folder = dirname(await latentRun(t, 'tiny_16', SMALL_LATENTS));
  const weights = join('run', 'checkpoints', 'step-1', 'model.safetensors');
  const bare = ['--size', '8', '--timesteps', '77', '--groups', '4'];
  const other = dirname(await latentRun(t, 'tiny_16', { size: '4096' }));
  for (const [where, args, message] of [
    [folder, [weights, ...bare], /so they are latents; --autoencoder gives the autoencoder that/],
    [
      other,
      ['run'],
      /export web: expected a decoder that takes 4\.00 GiB of memory at most, got one that takes [\d.]+ GiB for pictures of 16384x16384$/m,
    ],
  ] as const) {
    const { code, stderr } = await haze(where, ['export', 'web', ...args, '--out', 'site']);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
    t.deepEqual(readdirSync(where), ['run']);
  }
});

test('weights alone draw latents on a page by the autoencoder that is given', async (t) => {
  const run = await latentRun(t, 'tiny_16', SMALL_LATENTS);
  const folder = dirname(run);
  const weights = join('run', 'checkpoints', 'step-1', 'model.safetensors');
  const { code, stderr } = await haze(folder, [
    ...['export', 'web', weights, '--autoencoder', join('run', 'vae'), '--out', 'site'],
    ...['--size', '8', '--timesteps', '77', '--schedule', 'cosine', '--head-dim', 'all'],
    ...['--norm-eps', '1e-6', '--down-padding', '0', '--precision', 'f32'],
  ]);
  t.is(code, 0, stderr);
  const settings = { count: 1, sampler: 'ddim', steps: 2 } as const;
  const told = await drawSite(join(folder, 'site'), settings);
  t.is(told.images, digest((await sample(run, settings)).images));
});

test('an impossible export is refused before anything is written', async (t) => {
  const run = await freshRun(t, SIMPLE);
  await refuses(t, ['export', 'web', run], /--out: expected a new folder, got nothing/);
  await refuses(
    t,
    ['export', 'web', run, '--out', run],
    /expected a new folder, got one that exists/,
  );
  const out = ['--out', join(await temporaryFolder(t), 'site')];
  await refuses(
    t,
    ['export', 'web', run, ...out, '--precision', 'f64'],
    /--precision: expected one of f16, f32/,
  );
  await refuses(
    t,
    ['export', 'web', run, ...out, '--clamp'],
    /--clamp: belongs to export diffusers; this is export web/,
  );
  await refuses(
    t,
    ['export', 'diffusers', run, ...out, '--precision', 'f16'],
    /--precision: belongs to export web/,
  );
  await refuses(
    t,
    ['export', 'web', run, ...out, '--guidance', '3'],
    /--guidance: belongs to a guide, and there is none/,
  );
  await refuses(
    t,
    ['export', 'page', run, ...out],
    /<format>: expected one of diffusers, web, got page/,
  );
});
