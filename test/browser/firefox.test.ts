import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp from 'sharp';
import { haze } from '../helpers/cli.js';
import { digest } from '../helpers/digest.js';
import { firefoxTest, openTab, type Tab } from '../helpers/firefox.js';
import { freshRun } from '../helpers/fresh-run.js';
import { latentRun } from '../helpers/latent-run.js';
import { ISOLATED, serve } from '../helpers/serve.js';
import { DIGEST } from '../helpers/site-page.js';

const CAN_DRAW = "document.getElementById('draw')?.disabled === false";

const textOf = async (tab: Tab, id: string): Promise<string> =>
  String(await tab.evaluate(`document.getElementById('${id}').textContent`));

/** What the page says after a drawing by so many workers. */
async function drawOn(tab: Tab, workers: number): Promise<string> {
  const values = { count: 16, seed: 5, steps: 2, workers };
  await tab.evaluate(`(() => {
    document.getElementById('workers').max = 8;
    for (const [id, value] of Object.entries(${JSON.stringify(values)}))
      document.getElementById(id).value = value;
  })()`);
  await tab.click('#draw');
  await tab.until(CAN_DRAW);
  return textOf(tab, 'status');
}

/** Digest of what `haze sample` draws with the kernels that the page has. */
async function sampled(t: ExecutionContext, run: string, about: string): Promise<string> {
  const out = join(run, 'grid.png');
  const flags = ['--count', '16', '--seed', '5', '--sample-steps', '2', '--threads', '1'];
  const build = about.includes('(strict SIMD)') ? ['--strict'] : [];
  const { code, stderr } = await haze(run, ['sample', '.', ...flags, ...build, '--out', out]);
  t.is(code, 0, stderr);
  return digest(await sharp(out).removeAlpha().raw().toBuffer());
}

const ofPixels = (t: ExecutionContext) =>
  freshRun(t, { size: '16', widths: '8,8', timesteps: '20' });

for (const [title, open, headers, asked] of [
  ['with one worker and with two', ofPixels, ISOLATED, [1, 2]],
  ['on a page that a service worker isolates', ofPixels, {}, [2]],
  ['of latents', (t: ExecutionContext) => latentRun(t, 'tiny_16'), ISOLATED, [1]],
] as const)
  firefoxTest(`Firefox draws the pixels of haze sample ${title}`, async (t) => {
    const run = await open(t);
    const site = join(run, '..', 'site');
    const args = ['export', 'web', '.', '--out', site, '--precision', 'f32'];
    t.is((await haze(run, args)).code, 0);
    const { url } = await serve(t, site, headers);
    const tab = await openTab(t);
    await tab.goto(url);
    await tab.until(CAN_DRAW);
    t.true(await tab.evaluate('crossOriginIsolated'));
    const expected = await sampled(t, run, await textOf(tab, 'about'));
    for (const workers of asked) {
      t.regex(await drawOn(tab, workers), /^Drawn in/);
      t.is(await tab.evaluate(DIGEST), expected, `${workers} workers`);
    }
  });
