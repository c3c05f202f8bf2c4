import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp from 'sharp';
import { axeFindsNothing } from '../helpers/axe.js';
import { chromiumTest, openPage } from '../helpers/chromium.js';
import { haze } from '../helpers/cli.js';
import { digest } from '../helpers/digest.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { IMAGES } from '../helpers/images.js';
import { latentRun } from '../helpers/latent-run.js';
import { ISOLATED, serve } from '../helpers/serve.js';
import {
  type Choices,
  choose,
  drawOn,
  openSitePage,
  picturesDigest,
  said,
} from '../helpers/site-page.js';

/** What one visit may load beside the weights. */
const VISIT = 450_000;

/** Few steps, as a visitor chooses them and as flags. */
const few = { sampler: 'ddim', steps: '2' };
const FEW = ['--sampler', 'ddim', '--sample-steps', '2'];

/** A run's site with weights of four bytes. */
async function siteOf(t: ExecutionContext, run: string): Promise<string> {
  const site = join(run, '..', 'site');
  const args = ['export', 'web', '.', '--out', site, '--precision', 'f32'];
  const { code, stderr } = await haze(run, args);
  t.is(code, 0, stderr);
  return site;
}

/** What `haze sample` draws with these flags. */
async function sampled(t: ExecutionContext, run: string, flags: readonly string[]) {
  const out = join(run, 'grid.png');
  const { code, stderr } = await haze(run, [
    'sample',
    '.',
    ...flags,
    '--threads',
    '1',
    '--out',
    out,
  ]);
  t.is(code, 0, stderr);
  return sharp(out).removeAlpha().toColourspace('srgb').raw().toBuffer();
}

const isolatedIn = (page: { evaluate(code: string): Promise<unknown> }) =>
  page.evaluate('crossOriginIsolated');

chromiumTest(
  'the page draws the pixels of haze sample, with one worker and with two',
  async (t) => {
    const run = await freshRun(t, { size: '16', widths: '8,8', timesteps: '20' });
    const { url } = await serve(t, await siteOf(t, run), ISOLATED);
    const { page, errors } = await openPage(t);
    await openSitePage(page, url);
    t.true(await isolatedIn(page));
    const expected = digest(await sampled(t, run, ['--count', '16', '--seed', '5', ...FEW]));
    // Also where there is one processor.
    await page.locator('#workers').evaluate((input) => input.setAttribute('max', '8'));
    for (const workers of ['1', '2']) {
      t.regex(await drawOn(page, { count: '16', seed: '5', ...few, workers }), /^Drawn in/);
      t.is(await picturesDigest(page), expected, `${workers} workers`);
    }
    t.deepEqual(errors, []);
  },
);

chromiumTest(
  'the page draws the pixels of haze sample with a class and guidance, and requests nothing from other sites',
  async (t) => {
    const run = await freshRun(t, SMALL, { classes: ['bus', 'van', 'lorry'] });
    const { url, sent } = await serve(t, await siteOf(t, run), ISOLATED);
    const { page, requests, errors } = await openPage(t);
    await openSitePage(page, url);
    const flags = ['--count', '4', '--seed', '5', ...FEW, '--class', 'van', '--guidance', '2'];
    const expected = digest(await sampled(t, run, flags));
    const choices = { count: '4', seed: '5', ...few, class: 'van', guidance: '2', workers: '1' };
    t.regex(await drawOn(page, choices), /^Drawn in/);
    t.is(await picturesDigest(page), expected);
    t.regex(await drawOn(page, { seed: '6' }), /^Drawn in/);
    t.not(await picturesDigest(page), expected);
    t.true(requests.every((address) => address.startsWith(url) || address.startsWith('data:')));
    t.deepEqual(errors, []);
    const beside = sent.filter(({ path }) => !path.endsWith('.safetensors'));
    const loaded = new Map(beside.map(({ path, bytes }) => [path, bytes]));
    const bytes = [...loaded.values()].reduce((sum, size) => sum + size, 0);
    t.is([...loaded.keys()].filter((path) => path.endsWith('.wasm')).length, 1);
    t.true(bytes < VISIT, `${bytes} bytes: ${[...loaded.keys()].join(', ')}`);
  },
);

chromiumTest(
  'of latents, the page draws the pictures of haze sample, with one worker and with two',
  async (t) => {
    const run = await latentRun(t, 'tiny_16', { timesteps: '400' });
    const { url } = await serve(t, await siteOf(t, run), ISOLATED);
    const { page, errors } = await openPage(t);
    await openSitePage(page, url);
    t.regex(
      (await page.locator('#about').textContent()) ?? '',
      /^Colour images of 32x32 pixels, decoded from latents of 8x8, which are drawn by .* workers? \(relaxed SIMD\)\.$/,
    );
    const expected = digest(await sampled(t, run, ['--count', '16', '--seed', '5', ...FEW]));
    await page.locator('#workers').evaluate((input) => input.setAttribute('max', '8'));
    const progress = page.locator('#progress');
    for (const workers of ['1', '2']) {
      t.regex(await drawOn(page, { count: '16', seed: '5', ...few, workers }), /^Drawn in/);
      t.is(await picturesDigest(page), expected, `${workers} workers`);
      // Two steps of one batch, and each picture.
      t.is(await progress.getAttribute('max'), '18');
      t.is(await progress.getAttribute('value'), '18');
    }
    await cancelled(t, page, { ...few, count: '256' }, 40);
    t.regex(await drawOn(page, { count: '16' }), /^Drawn in/);
    t.is(await picturesDigest(page), expected);
    t.deepEqual(errors, []);
  },
);

chromiumTest(
  'without shared memory one worker draws the same pixels, and can be cancelled',
  async (t) => {
    const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '400', channels: '1' });
    const { url } = await serve(t, await siteOf(t, run));
    const { page, errors } = await openPage(t, { serviceWorkers: 'block' });
    await openSitePage(page, url);
    t.false(await isolatedIn(page));
    t.is(await page.locator('#workers').getAttribute('max'), '1');
    const expected = digest(await sampled(t, run, ['--count', '16', '--seed', '3', ...FEW]));
    t.regex(await drawOn(page, { seed: '3', count: '16', ...few }), /^Drawn in/);
    t.is(await picturesDigest(page), expected);
    await cancelled(t, page);
    t.regex(await drawOn(page, { seed: '3', count: '16', ...few }), /^Drawn in/);
    t.is(await picturesDigest(page), expected);
    t.deepEqual(errors, []);
  },
);

/** Begins a long drawing, and cancels it after its first steps, or later. */
async function cancelled(
  t: ExecutionContext,
  page: Parameters<typeof said>[0],
  choices: Choices = { count: '256', sampler: 'ancestral', steps: '400' },
  after = 3,
): Promise<void> {
  await choose(page, choices);
  await page.locator('#draw').click();
  const progress = page.locator('#progress');
  const place = () => progress.evaluate((bar) => Number(bar.getAttribute('value') ?? 0));
  while ((await place()) < after) await page.waitForTimeout(5);
  await page.locator('#cancel').click();
  t.is(await said(page), 'Cancelled.');
  const [at, of] = [await place(), Number(await progress.getAttribute('max'))];
  t.true(at < of, `${at} of ${of} steps`);
}

chromiumTest(
  'a drawing by several workers can be cancelled, and the next one is complete',
  async (t) => {
    const run = await freshRun(t, { size: '16', widths: '8,8', timesteps: '400' });
    const { url } = await serve(t, await siteOf(t, run), ISOLATED);
    const { page } = await openPage(t);
    await openSitePage(page, url);
    await page.locator('#workers').evaluate((input) => input.setAttribute('max', '8'));
    await choose(page, { workers: '2' });
    await cancelled(t, page);
    t.regex(await drawOn(page, { count: '4', seed: '9', ...few }), /^Drawn in/);
    const expected = await sampled(t, run, ['--count', '4', '--seed', '9', ...FEW]);
    t.is(await picturesDigest(page), digest(expected));
  },
);

chromiumTest('on a host without headers a service worker isolates the page', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '10' });
  const { url, sent } = await serve(t, await siteOf(t, run));
  const { page, errors } = await openPage(t);
  await openSitePage(page, url);
  t.true(await isolatedIn(page));
  t.regex(await drawOn(page, { count: '2' }), /^Drawn in/);
  const expected = await sampled(t, run, ['--count', '2']);
  t.is(await picturesDigest(page), digest(expected));
  t.deepEqual(errors, []);
  // It is loaded once more, and not for ever.
  t.is(sent.filter(({ path }) => path === '/index.html').length, 2);
});

chromiumTest('the tab stays responsive while it draws', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '100' });
  const site = await siteOf(t, run);
  for (const [headers, blocked] of [
    [ISOLATED, 'allow'],
    [{}, 'block'],
  ] as const) {
    const { url } = await serve(t, site, headers);
    const { page } = await openPage(t, { serviceWorkers: blocked });
    await openSitePage(page, url);
    await page.evaluate(COUNT_TURNS);
    t.regex(await drawOn(page, { count: '64', workers: '1' }), /^Drawn in/);
    const { turns, frames } = (await page.evaluate('counted()')) as Record<string, number>;
    const steps = 4 * 100;
    // A page that computed would have a turn a step.
    t.true(turns! > 5 * steps, `${turns} turns of the event loop in ${steps} steps`);
    t.true(frames! > 1, `${frames} frames`);
  }
});

/** Counts turns of the page's event loop, and frames, from the click on. */
const COUNT_TURNS = `
  const count = { turns: 0, frames: 0 };
  const { port1, port2 } = new MessageChannel();
  let counting = false;
  port1.onmessage = () => { if (counting) { count.turns++; port2.postMessage(null); } };
  const frame = () => { if (counting) { count.frames++; requestAnimationFrame(frame); } };
  document.getElementById('settings').addEventListener('submit', () => {
    counting = true; port2.postMessage(null); requestAnimationFrame(frame);
  });
  globalThis.counted = () => { counting = false; return count; };
`;

chromiumTest('the saved picture has the drawn pixels', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '6' });
  const { url } = await serve(t, await siteOf(t, run), ISOLATED);
  const { page } = await openPage(t);
  await openSitePage(page, url);
  t.true(await page.locator('#save').isDisabled());
  await drawOn(page, { count: '9', seed: '12' });
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#save').click(),
  ]);
  t.is(download.suggestedFilename(), 'images-seed-12.png');
  const saved = await sharp(await readFile(await download.path()))
    .removeAlpha()
    .raw()
    .toBuffer();
  t.is(digest(saved), await picturesDigest(page));
});

chromiumTest('the page reports a missing or incomplete model', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '6' });
  const site = await siteOf(t, run);
  const { page } = await openPage(t);
  const about = async (change: (body: Buffer) => Buffer | null, of: string) => {
    await page.route(`**/${of}`, async (route) => {
      const body = change(await readFile(join(site, of)));
      await route.fulfill(body ? { status: 200, body } : { status: 404 });
    });
    const { url } = await serve(t, site, ISOLATED);
    await page.goto(url);
    await page.locator('#about:has-text("cannot be opened")').waitFor();
    await page.unroute(`**/${of}`);
    return page.locator('#about').textContent();
  };
  t.regex((await about(() => null, 'model.json')) ?? '', /model\.json: .* the server says 404$/);
  t.regex((await about((all) => all.subarray(0, -9), 'weights.safetensors')) ?? '', /cut off/);
  const broken = (all: Buffer) =>
    Buffer.from(String(all).replace('"timesteps": 6', '"timesteps": 0'));
  t.regex((await about(broken, 'model.json')) ?? '', /model\.json\.diffusion\.timesteps: /);
});

chromiumTest('the page reports a worker whose script cannot be loaded', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '6' });
  const site = await siteOf(t, run);
  await rm(join(site, 'web-worker.js'));
  const { url } = await serve(t, site, ISOLATED);
  const { page } = await openPage(t);
  await openSitePage(page, url);
  await page.locator('#workers').evaluate((input) => input.setAttribute('max', '8'));
  t.is(
    await drawOn(page, { count: '2', ...few, workers: '2' }),
    'all workers are lost, and none could be started',
  );
  await rm(join(site, 'engine.js'));
  await page.goto(url);
  await page.locator('#about:has-text("cannot be opened")').waitFor();
  t.is(
    await page.locator('#about').textContent(),
    'The model cannot be opened: the worker was lost: its script could not be loaded',
  );
});

for (const colorScheme of ['light', 'dark'] as const)
  chromiumTest(`axe finds no violation on the page, ${colorScheme}`, async (t) => {
    const run = await freshRun(t, SMALL, { classes: ['bus', 'van', 'lorry'] });
    const { url } = await serve(t, await siteOf(t, run), ISOLATED);
    for (const width of [1000, 320]) {
      const viewport = { width, height: 800 };
      const { page } = await openPage(t, { colorScheme, viewport, bypassCSP: true });
      await openSitePage(page, url);
      await axeFindsNothing(t, page);
      t.regex(await drawOn(page, { count: '16', ...few }), /^Drawn in/);
      await axeFindsNothing(t, page);
      const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      t.true(Number(over) <= 0, `${over} pixels wider than a window of ${width}`);
    }
  });

chromiumTest('a page that a service worker isolates opens on a host that redirects', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '6' });
  const { url } = await serve(t, await siteOf(t, run), {}, { '/index.html': '/' });
  const { page, errors } = await openPage(t);
  await openSitePage(page, url);
  await openSitePage(page, `${url}index.html`);
  t.is(page.url(), url);
  t.true(await isolatedIn(page));
  t.deepEqual(errors, []);
});

chromiumTest('pages in two folders of a host are isolated independently', async (t) => {
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '6' });
  const site = await siteOf(t, run);
  const web = join(run, '..', 'web');
  for (const name of ['a', 'b']) await cp(site, join(web, name), { recursive: true });
  const { url } = await serve(t, web);
  const { page } = await openPage(t);
  for (const name of ['a', 'b']) {
    await openSitePage(page, `${url}${name}/`);
    t.true(await isolatedIn(page), name);
  }
});

if (process.env.HAZE_SITE)
  chromiumTest('the picture of the page for the README', async (t) => {
    const site = process.env.HAZE_SITE!;
    const { url } = await serve(t, site, ISOLATED);
    const { page } = await openPage(t, {
      viewport: { width: 880, height: 760 },
      deviceScaleFactor: 1,
    });
    await openSitePage(page, url);
    t.regex(await drawOn(page, {}), /^Drawn in/);
    // The time depends on what else the machine does.
    await page
      .locator('#status')
      .evaluate((line) => line.setAttribute('style', 'visibility: hidden'));
    await page.screenshot({ path: join(IMAGES, 'web.png') });
    t.pass();
  });
