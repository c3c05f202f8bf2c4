import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { writePlot } from '../../src/bench/plot.js';
import { results } from '../helpers/bench.js';
import { temporaryFolder } from '../helpers/folder.js';

test('The plot is an SVG with a title for each piece of work and a bar with its label for each row', async (t) => {
  const file = join(await temporaryFolder(t), 'out.svg');
  await writePlot(file, results);
  const svg = await readFile(file, 'utf8');
  t.true(svg.startsWith('<svg'));
  for (const title of ['unet forward, tiny, batch 4, 32x32', 'arithmetic qSample'])
    t.true(svg.includes(title), title);
  t.is(svg.match(/>haze, wasm, relaxed, 2 threads</g)?.length, 2);
  t.false(svg.includes('…'), 'a label is cut off');
  const labels = ['2.50 ms', '4.50 ms', '7.50 ms', '5.00 ms', '0.500 ms', '2.00 ms'];
  for (const label of labels) t.true(svg.includes(`>${label}<`), label);
});
