import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { axeFindsNothing } from '../helpers/axe.js';
import { chromiumTest, openAt } from '../helpers/chromium.js';
import { temporaryFolder } from '../helpers/folder.js';
import { IMAGES } from '../helpers/images.js';
import { appendSteps, linesOf, serving, stepOf, writePng, writeRun } from '../helpers/watch.js';

/* The page of `haze watch` in a real browser. */

/** A run of 24 steps with samples of three of them and a film strip. */
async function shownRun(t: ExecutionContext): Promise<{ run: string; url: string }> {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 24);
  for (const [i, step] of [5, 10, 20].entries())
    await writePng(join(run, 'samples', `step-${step}.png`), 60 * i);
  await writePng(join(run, 'film.png'), 250);
  return { run, url: await serving(t, await WatchedRuns.open(run)) };
}

/** A text without the marks that keep a name's direction to itself. */
const plain = (text: string | null): string => (text ?? '').replaceAll(/[\u2068\u2069]/g, '');

/** Chooses each of so many runs, once the page has listed them all. */
async function chooseAll(page: Page, count: number): Promise<void> {
  const boxes = page.locator('#run-boxes input');
  await boxes.nth(count - 1).waitFor();
  for (const box of await boxes.all()) await box.check();
}

/** Waits until so many pictures have been loaded: one whose file is gone before that is named as gone. */
async function picturesLoaded(page: Page, count: number): Promise<void> {
  const loaded = '[...document.images].filter((image) => image.naturalWidth > 0).length';
  // Not waitForFunction, which needs an eval that the page forbids.
  while (Number(await page.evaluate(loaded)) !== count) await page.waitForTimeout(20);
}

/** The legend's names of the losses' lines. */
const labelsOf = async (page: Page): Promise<string[]> =>
  (await page.locator('#loss-chart .u-label').allTextContents()).map(plain);

const lossTable = (page: Page) => page.locator('#loss-chart details');

/** Rows of the losses' table as numbers: step, and what else there is. */
async function lossRows(page: Page, count: number): Promise<number[][]> {
  const shown = lossTable(page).locator('tbody tr');
  // An opened table is filled by the event of its opening, which comes after the click.
  await shown.nth(count - 1).waitFor();
  const rows = await shown.all();
  return Promise.all(
    rows.map(async (row) =>
      (await row.locator('th, td').allTextContents()).map((text) =>
        Number(text.replaceAll(',', '')),
      ),
    ),
  );
}

chromiumTest(
  'the curve is drawn with the points of metrics.jsonl, and a new step appears during a run',
  async (t) => {
    const { run, url } = await shownRun(t);
    const { page, elsewhere, errors } = await openAt(t, url);
    await lossTable(page).locator('summary').click();
    await page.locator('#loss-chart canvas').waitFor();
    const logged = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    const losses = logged.flatMap(({ step, loss }) =>
      loss === undefined ? [] : [[step, Number(loss.toPrecision(6))]],
    );
    const rows = await lossRows(page, losses.length);
    t.deepEqual(
      rows.map(([step, loss]) => [step, loss]),
      losses,
    );
    t.deepEqual(
      rows.flatMap(([step, , , heldOut]) => (Number.isNaN(heldOut) ? [] : [[step, heldOut]])),
      [
        [10, 0.11],
        [20, 0.055],
      ],
    );
    t.true((await inkOf(page)) > 500, 'pixels of the chart');
    t.regex(
      (await page.locator('#loss-chart canvas').getAttribute('aria-label')) ?? '',
      /^Loss by step\. /,
    );

    const before = Date.now();
    appendSteps(run, 25, 25);
    await page.locator('#fact-columns dd', { hasText: '25 of 40' }).waitFor();
    t.log(`a new step was shown ${Date.now() - before} ms after it was logged`);
    t.is((await lossRows(page, losses.length + 1)).at(-1)?.[0], 25);
    t.deepEqual(elsewhere, []);
    t.deepEqual(errors, []);
  },
);

/** Pixels of the loss chart that are not empty. */
const inkOf = (page: Page): Promise<number> =>
  page.locator('#loss-chart canvas').evaluate((element) => {
    const canvas = element as unknown as {
      width: number;
      height: number;
      getContext(kind: '2d'): {
        getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
      };
    };
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  });

chromiumTest('mouse and keyboard step through samples, and the newest is followed', async (t) => {
  const { run, url } = await shownRun(t);
  const { page, elsewhere, errors } = await openAt(t, url);
  const text = page.locator('#step-text');
  const image = page.locator('#sample-columns img');
  const shows = async (step: number, place: string) => {
    await page.locator('#step-text', { hasText: `step ${step}, ${place}` }).waitFor();
    t.regex((await image.getAttribute('src')) ?? '', new RegExp(`/samples/step-${step}\\.png`));
    t.is(plain(await image.getAttribute('alt')), `Samples of run after step ${step}`);
    t.is(await page.locator('#step').getAttribute('aria-valuetext'), `step ${step}`);
  };
  await shows(20, '3 of 3');
  await page.getByRole('button', { name: 'Earlier' }).click();
  await shows(10, '2 of 3');
  const box = (await page.locator('#step').boundingBox())!;
  await page.mouse.click(box.x + 3, box.y + box.height / 2);
  await shows(5, '1 of 3');
  await page.locator('#step').press('ArrowRight');
  await shows(10, '2 of 3');
  await page.locator('#step').press('Home');
  await shows(5, '1 of 3');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await shows(10, '2 of 3');
  await page.locator('#step').press('End');
  await shows(20, '3 of 3');
  await picturesLoaded(page, 2);
  await writePng(join(run, 'samples', 'step-24.png'), 9);
  await shows(24, '4 of 4');
  t.is(await text.textContent(), 'step 24, 4 of 4');
  t.deepEqual(elsewhere, []);
  t.deepEqual(errors, []);
});

chromiumTest(
  'chosen runs are shown side by side, and differences of their settings are marked',
  async (t) => {
    const folder = await temporaryFolder(t);
    for (const [i, name] of ['a', 'b'].entries()) {
      const run = writeRun(folder, name, 12 + i, { seed: i });
      await writePng(join(run, 'samples', 'step-10.png'), 100 * i);
    }
    writeRun(folder, 'begun', 1);
    const url = await serving(t, await WatchedRuns.open(folder));
    const { page, errors } = await openAt(t, url);
    await page.locator('#fact-columns article').nth(2).waitFor();
    t.is(await page.getByText('No samples', { exact: true }).count(), 1);
    const summary = plain(await page.locator('#loss-chart .summary').textContent());
    t.regex(summary, /begun: mean of 5 steps: 1 at step 1[;.]/);
    await page.getByRole('checkbox', { name: 'begun', exact: true }).uncheck();
    await page.locator('#fact-columns article').nth(2).waitFor({ state: 'detached' });
    t.deepEqual((await page.locator('#fact-columns h3').allTextContents()).sort(), ['a', 'b']);
    t.is(await page.locator('#sample-columns img').count(), 2);
    t.deepEqual(await page.locator('tr.differs th').allTextContents(), ['seed']);
    const labels = await labelsOf(page);
    t.true(labels.includes('a: each step') && labels.includes('b: held out'), labels.join());
    await page.getByRole('checkbox', { name: 'a', exact: true }).uncheck();
    await page.locator('#fact-columns article').nth(1).waitFor({ state: 'detached' });
    t.is(await page.locator('#sample-columns img').count(), 1);
    await page.reload();
    await page.locator('#fact-columns article').waitFor();
    t.false(await page.getByRole('checkbox', { name: 'a', exact: true }).isChecked());
    t.true(await page.getByRole('checkbox', { name: 'b', exact: true }).isChecked());
    t.deepEqual(errors, []);
  },
);

chromiumTest('names and texts of a hostile run are shown as text', async (t) => {
  const folder = await temporaryFolder(t);
  const attack = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
  const name = '<img src=x onerror=document.title=1>';
  const ms = { [attack]: 3, __proto__: 1, constructor: 2 };
  const run = writeRun(folder, name, 0, { [attack]: attack, __proto__: attack });
  const line = { step: 1, epoch: 0, loss: 1, lr: 1, imagesPerSecond: 1, ms };
  writeFileSync(join(run, 'metrics.jsonl'), linesOf([line, { ...line, step: 2 }]));
  writeFileSync(join(run, 'notes.jsonl'), linesOf([{ step: 0, kind: 'warning', text: attack }]));
  await writePng(join(run, '" onerror="alert(1).png'), 3);
  writeRun(folder, 'other', 3);
  const url = await serving(t, await WatchedRuns.open(folder));
  const { page, elsewhere, errors } = await openAt(t, url);
  await page.locator('#remark-columns li').waitFor();
  t.is(await page.locator('#remark-columns li').textContent(), `Warning: ${attack}`);
  t.true((await page.locator('#fact-columns h3').allTextContents()).includes(name));
  t.true((await page.locator('#settings th').allTextContents()).includes(attack));
  t.true((await page.locator('.u-label').allTextContents()).includes(attack));
  t.is(await page.locator('script').count(), 2);
  t.is(await page.locator('img').count(), 1);
  t.is(await page.locator('[onerror]').count(), 0);
  t.not(await page.title(), '1');
  t.deepEqual(elsewhere, []);
  t.deepEqual(errors, []);
});

chromiumTest(
  'the page reports a run that is deleted while it is shown, and continues',
  async (t) => {
    const { run, url } = await shownRun(t);
    const { page, errors } = await openAt(t, url);
    await page.locator('#fact-columns dd', { hasText: '24 of 40' }).waitFor();
    // Chromium reports a picture that is gone before it was loaded as an error of the page.
    await picturesLoaded(page, 2);
    appendFileSync(join(run, 'metrics.jsonl'), '{"step":25,"epo');
    rmSync(run, { recursive: true });
    await page.locator('#status', { hasText: 'its files are gone' }).waitFor();
    t.is(await page.locator('#fact-columns dd', { hasText: '24 of 40' }).count(), 1);
    mkdirSync(run);
    writeRun(join(run, '..'), 'run', 7);
    await page.locator('#fact-columns dd', { hasText: '7 of 40' }).waitFor();
    t.deepEqual(errors, []);
  },
);

chromiumTest('samples whose file is gone are named as such, and the others shown', async (t) => {
  const { run, url } = await shownRun(t);
  const { page } = await openAt(t, url);
  await page.locator('#step-text', { hasText: 'step 20, 3 of 3' }).waitFor();
  await picturesLoaded(page, 2);
  rmSync(run, { recursive: true });
  await page.locator('#status', { hasText: 'its files are gone' }).waitFor();
  const caption = page.locator('#sample-columns figcaption');
  const image = page.locator('#sample-columns img');
  t.is(await caption.textContent(), 'After step 20');
  t.true(await image.isVisible());
  await page.getByRole('button', { name: 'Earlier' }).click();
  await page.locator('figcaption', { hasText: 'After step 10: the picture is gone' }).waitFor();
  t.false(await image.isVisible());
});

chromiumTest(
  'a name of any length and direction keeps the page in its window and the words around it in order',
  async (t) => {
    const folder = await temporaryFolder(t);
    const begin = 'batch-32-'.repeat(10);
    const names = [`${begin}a`, `${begin}b`, 'x'.repeat(200), '\u202eabc', 'ריצה 1'];
    for (const name of names)
      await writePng(join(writeRun(folder, name, 24), 'samples', 'step-10.png'), 1);
    const url = await serving(t, await WatchedRuns.open(folder));
    const viewport = { width: 400, height: 800 };
    const { page, errors } = await openAt(t, url, { viewport });
    await chooseAll(page, names.length);
    await page
      .locator('#fact-columns article')
      .nth(names.length - 1)
      .waitFor();
    const over = Number(await page.evaluate(OVERHANG));
    t.true(over <= 0, `${over} pixels wider than its window`);
    const labels = await labelsOf(page);
    t.is(new Set(labels).size, labels.length, 'names that differ in their ends are told apart');
    t.deepEqual(await page.evaluate(TURNED), []);
    t.deepEqual(errors, []);
  },
);

/** Texts of the legend whose last letter stands left of the letter after the name. */
const TURNED = `[...document.querySelectorAll('#loss-chart .u-label')].slice(1).flatMap((label) => {
  const text = label.firstChild;
  const leftOf = (at) => {
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  };
  const after = text.data.lastIndexOf(': ') + 2;
  const isOneLine = label.clientHeight < 30;
  return isOneLine && leftOf(text.length - 1) < leftOf(after) ? [text.data] : [];
})`;

for (const colorScheme of ['light', 'dark'] as const)
  chromiumTest(`axe finds no violation on the page, ${colorScheme}`, async (t) => {
    const { run } = await shownRun(t);
    const said = [
      { step: 0, kind: 'warning', text: 'slow' },
      { step: 24, kind: 'ended', text: 'step 25: the loss is NaN' },
    ];
    writeFileSync(join(run, 'notes.jsonl'), linesOf(said));
    writeRun(join(run, '..'), 'other', 12);
    const url = await serving(t, await WatchedRuns.open(join(run, '..')));
    for (const width of [1200, 360]) {
      const viewport = { width, height: 900 };
      const { page } = await openAt(t, url, { colorScheme, viewport, bypassCSP: true });
      await page.locator('#sample-columns img:visible').waitFor();
      await page.evaluate(
        'for (const details of document.querySelectorAll("details")) details.open = true',
      );
      await axeFindsNothing(t, page);
      const over = Number(await page.evaluate(OVERHANG));
      t.true(over <= 0, `${over} pixels wider than a window of ${width}`);
    }
  });

/** Pixels by which a page is wider than its window. */
const OVERHANG = 'document.documentElement.scrollWidth - innerWidth';

chromiumTest('the page says what ended a failed run', async (t) => {
  const { run, url } = await shownRun(t);
  const text = 'step 25: the loss is NaN; no checkpoint was written. A lower --lr may help';
  writeFileSync(join(run, 'notes.jsonl'), linesOf([{ step: 24, kind: 'ended', text }]));
  const { page, errors } = await openAt(t, url);
  await page.locator('#fact-columns dd', { hasText: `stopped: ${text}` }).waitFor();
  t.is(await page.locator('#remark-columns li.warning').textContent(), `Ended: ${text}`);
  t.is(await page.locator('#fact-columns dt', { hasText: 'Time left' }).count(), 0);
  t.deepEqual(errors, []);
});

chromiumTest('new runs do not take the keyboard focus from the choice of runs', async (t) => {
  const folder = await temporaryFolder(t);
  for (const name of ['a', 'b']) writeRun(folder, name, 3);
  const url = await serving(t, await WatchedRuns.open(folder));
  const { page, errors } = await openAt(t, url);
  const box = page.getByRole('checkbox', { name: 'a', exact: true });
  await box.focus();
  writeRun(folder, 'c', 4);
  await page.getByRole('checkbox', { name: 'c', exact: true }).waitFor();
  t.true(await box.evaluate((element) => element.matches(':focus')));
  for (const name of ['a', 'b']) await page.getByRole('checkbox', { name, exact: true }).uncheck();
  await page.locator('#status', { hasText: 'No run is chosen.' }).waitFor();
  t.false(await page.locator('#loss').isVisible());
  await page.keyboard.press('Space');
  await page.locator('#loss canvas').waitFor();
  t.deepEqual(errors, []);
});

chromiumTest('many runs have one line each, and their states are counted', async (t) => {
  const folder = await temporaryFolder(t);
  const later = Date.now() / 1000 + 3600;
  for (let i = 0; i < 10; i++) {
    const run = writeRun(folder, `run-${i}`, i < 9 ? 3 + i : 0);
    // None of them is quiet, however long the page takes.
    utimesSync(join(run, 'metrics.jsonl'), later, later);
  }
  const url = await serving(t, await WatchedRuns.open(folder));
  const { page, errors } = await openAt(t, url);
  await chooseAll(page, 10);
  await page.locator('#status', { hasText: '10 runs: ' }).waitFor();
  const status = (await page.locator('#status').textContent()) ?? '';
  t.regex(status, /\b9 training\b/);
  t.regex(status, /\b1 waiting\b/);
  const labels = await labelsOf(page);
  t.is(labels.filter((text) => /^run-\d: mean of/.test(text)).length, 10);
  t.is(labels.filter((text) => text.includes('each step')).length, 0);
  t.deepEqual(errors, []);
});

chromiumTest(
  'lines hidden by keyboard and steps chosen by mouse stay so while the run goes on',
  async (t) => {
    const { run, url } = await shownRun(t);
    const { page, errors } = await openAt(t, url);
    const label = (name: string) => page.locator('#loss-chart .u-label', { hasText: name });
    await label('each step').focus();
    await page.keyboard.press('Enter');
    t.is(await label('each step').getAttribute('aria-pressed'), 'false');
    await label('held out').focus();
    await page.keyboard.press('Space');
    await page.keyboard.press('Space');
    const chart = page.locator('#loss-chart .u-over');
    /** Moves the mouse to a place of the chart, in shares of its width. */
    const moveTo = async (share: number) => {
      await chart.scrollIntoViewIfNeeded();
      const { x, y, width, height } = (await chart.boundingBox())!;
      await page.mouse.move(x + 1 + share * (width - 2), y + height / 2, { steps: 3 });
    };
    await moveTo(0.5);
    await page.mouse.down();
    await moveTo(0.75);
    await page.mouse.up();
    const leftmost = async () => {
      await moveTo(0.5);
      await moveTo(0);
      return Number(await page.locator('#loss-chart .u-value').first().textContent());
    };
    const begin = await leftmost();
    t.true(begin >= 12 && begin <= 13, `step ${begin}`);
    await label('held out').focus();
    // Enough for a mean over more steps, whose label says so.
    appendSteps(run, 25, 400);
    await label('mean of 8 steps').waitFor();
    t.is(await leftmost(), begin);
    t.is(await label('each step').getAttribute('aria-pressed'), 'false');
    t.is(await label('held out').getAttribute('aria-pressed'), 'true');
    t.true(await label('held out').evaluate((element) => element.matches(':focus')));
    await chart.dblclick();
    t.true((await leftmost()) <= 1);
    t.deepEqual(errors, []);
  },
);

chromiumTest('losses by timestep are shown of whatever quarters a log has', async (t) => {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 0);
  const { q0: _, q3: __, ...step } = stepOf(1);
  writeFileSync(join(run, 'metrics.jsonl'), linesOf([step, { ...step, step: 2, ms: {} }]));
  const url = await serving(t, await WatchedRuns.open(run));
  const { page, errors } = await openAt(t, url);
  await page.locator('#loss-chart canvas').waitFor();
  t.false(await page.locator('#quarters').isVisible());
  appendFileSync(join(run, 'metrics.jsonl'), linesOf([{ ...step, step: 3, q1: 0.5 }]));
  await page.locator('#quarters canvas').waitFor();
  t.deepEqual(errors, []);
});

chromiumTest('numbers of any size are drawn, on both scales', async (t) => {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 0);
  const losses = [1, 0, -1, 1e-300, 1e308, -1e308, 5e-324, null, 3];
  const steps = losses.map((loss, i) => ({ ...stepOf(i + 1), loss, q0: loss, lr: loss }));
  writeFileSync(join(run, 'metrics.jsonl'), linesOf(steps));
  const url = await serving(t, await WatchedRuns.open(run));
  const { page, errors } = await openAt(t, url);
  await page.locator('#loss-chart canvas').waitFor();
  await page.getByRole('checkbox', { name: 'Logarithmic scale' }).check();
  appendSteps(run, 10, 10);
  await page.locator('#fact-columns dd', { hasText: '10 of 40' }).waitFor();
  t.deepEqual(errors, []);
});

/** The run that the README's pictures show; without it, pictures are taken for this test alone. */
const SCREENSHOTS = process.env.HAZE_SCREENSHOTS;

chromiumTest(
  "the page follows the reader's colour scheme, and its pictures are taken for the README",
  async (t) => {
    const folder = SCREENSHOTS ? IMAGES : await temporaryFolder(t);
    const url = SCREENSHOTS
      ? await serving(t, await WatchedRuns.open(SCREENSHOTS))
      : (await shownRun(t)).url;
    const brightness: number[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const viewport = { width: 1000, height: 1400 };
      const { page } = await openAt(t, url, { colorScheme, viewport });
      await page.locator('#loss-chart canvas').waitFor();
      await page.locator('#sample-columns img:visible').waitFor();
      await page.waitForLoadState('networkidle');
      // No picture ends in the middle of the samples.
      const samples = (await page.locator('#samples').boundingBox())!;
      await page.setViewportSize({ width: 1000, height: Math.ceil(samples.y + samples.height) });
      const shot = await page.screenshot();
      // A palette takes a third of the bytes.
      const png = await sharp(shot).png({ palette: true, colours: 128 }).toBuffer();
      await writeFile(join(folder, `watch-${colorScheme}.png`), png);
      const { channels } = await sharp(shot).greyscale().stats();
      brightness.push(channels[0]!.mean);
    }
    t.true(brightness[0]! > 180 && brightness[1]! < 80, brightness.join());
  },
);
