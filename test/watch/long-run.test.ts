import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { chromiumTest, openPage } from '../helpers/chromium.js';
import { temporaryFolder } from '../helpers/folder.js';
import { appendSteps, linesOf, range, serving, stepOf, writeRun } from '../helpers/watch.js';

const STEPS = 1_000_000;
/** Steps that are written at a time. */
const PIECE = 20_000;

/** Waits until the page shows that the run is at a step. */
const shows = (page: Page, step: number): Promise<void> =>
  page
    .locator('#fact-columns dd', { hasText: `${step.toLocaleString('en')} of 2,000,000` })
    .waitFor();

chromiumTest(
  'the page of a run of 1,000,000 steps shows a first curve, the complete one, and then a new step',
  async (t) => {
    const folder = await temporaryFolder(t);
    const run = writeRun(folder, 'run', 0, { training: { batch: 4, steps: 2 * STEPS } });
    for (let from = 1; from < STEPS; from += PIECE)
      appendFileSync(
        join(run, 'metrics.jsonl'),
        linesOf(range(from, from + PIECE - 1).map((step) => stepOf(step))),
      );
    const url = await serving(t, await WatchedRuns.open(run));
    const { page, errors } = await openPage(t);
    const began = Date.now();
    await page.goto(url);
    await page.locator('#loss-chart canvas').waitFor();
    t.log(`a run of ${STEPS} steps: the first curve after ${Date.now() - began} ms`);
    await shows(page, STEPS);
    t.log(`all of it after ${Date.now() - began} ms`);
    await page.locator('#loss-chart summary').click();
    t.true((await page.locator('#loss-chart details tbody tr').count()) <= 51);
    const appended = Date.now();
    appendSteps(run, STEPS + 1, STEPS + 1);
    await shows(page, STEPS + 1);
    t.log(`a new step ${Date.now() - appended} ms after it was logged`);
    t.deepEqual(errors, []);
  },
);
