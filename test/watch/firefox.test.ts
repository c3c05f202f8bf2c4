import { join } from 'node:path';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { firefoxTest, KEYS, openTab } from '../helpers/firefox.js';
import { temporaryFolder } from '../helpers/folder.js';
import { appendSteps, range, serving, writePng, writeRun } from '../helpers/watch.js';

firefoxTest('Firefox shows the curve, a new step, and samples by mouse and keyboard', async (t) => {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 24);
  for (const step of [5, 10, 20]) await writePng(join(run, 'samples', `step-${step}.png`), step);
  const tab = await openTab(t);
  await tab.goto(await serving(t, await WatchedRuns.open(run)));
  await tab.until("document.querySelector('#loss-chart canvas') !== null");
  await tab.click('#loss-chart summary');
  await tab.until("document.querySelectorAll('#loss-chart details tbody tr').length === 24");
  const cells = `[...document.querySelectorAll('#loss-chart details tbody tr')].map((row) =>
      [...row.children].slice(0, 2).map((cell) => Number(cell.textContent)))`;
  t.deepEqual(
    await tab.evaluate(cells),
    range(1, 24).map((step) => [step, Number((1 / step).toPrecision(6))]),
  );
  const shows = (text: string) =>
    tab.until(`document.getElementById('step-text').textContent === '${text}'`);
  await shows('step 20, 3 of 3');
  await tab.click('#back');
  await shows('step 10, 2 of 3');
  await tab.press('#step', KEYS.left);
  await shows('step 5, 1 of 3');
  await tab.press('#step', KEYS.end);
  await shows('step 20, 3 of 3');
  t.is(await tab.evaluate("document.querySelector('#sample-columns img').naturalWidth"), 8);
  appendSteps(run, 25, 25);
  await tab.until("document.getElementById('fact-columns').textContent.includes('25 of 40')");
});
