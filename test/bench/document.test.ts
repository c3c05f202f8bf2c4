import { readFile } from 'node:fs/promises';
import test from 'ava';
import { EDITIONS, editionOf, fill } from '../../bench/document.js';
import { PEERS } from '../../src/bench/peer-list.js';
import type { Report } from '../../src/bench/result.js';
import { UsageError } from '../../src/errors.js';
import { report } from '../helpers/bench.js';

const docs = (name: string) => new URL(`../../../docs/${name}`, import.meta.url);

test('Figures replace the text between their markers and change nothing else', (t) => {
  const text = 'Before.\n\n<!-- bench: unet -->\nold\n<!-- end -->\n\nAfter.\n';
  const filled = fill(text, report);
  t.true(filled.startsWith('Before.\n\n<!-- bench: unet -->\n\n**unet forward, tiny'), filled);
  t.true(filled.endsWith('|\n\n<!-- end -->\n\nAfter.\n'), filled);
  t.false(filled.includes('old'));
  t.is(fill(filled, report), filled);
});

test('The slowest layers come first, each with its share of the whole program', (t) => {
  const filled = fill('<!-- bench: layers-forward -->\n<!-- end -->', report);
  t.regex(
    filled,
    /the slowest 3 of 3 rows, which take 5 ms in all; .* 100 GFLOP\/s, memory 40 GB\/s/,
  );
  t.true(filled.indexOf('downs.0.conv1') < filled.indexOf('conv0 '));
  t.regex(filled, /downs\.0\.conv1 .* 60 %/);
});

test('Measurements with wide vectors have their own markers', (t) => {
  const text =
    '<!-- bench: unet -->\nplain\n<!-- end -->\n<!-- bench wide: unet -->\nold\n<!-- end -->\n';
  const [first, ...others] = report.results;
  const wide = { ...report, results: [{ ...first!, wide: true }, ...others] };
  t.is(editionOf(report), '');
  t.is(editionOf(wide), '-wide');
  const filled = fill(text, wide);
  t.true(filled.startsWith('<!-- bench: unet -->\nplain\n<!-- end -->'), filled);
  t.regex(filled, /<!-- bench wide: unet -->\n\n\*\*unet forward, tiny/);
  t.true(fill(text, report).endsWith('<!-- bench wide: unet -->\nold\n<!-- end -->\n'));
});

test('Measurements with PyTorch limited to 256 bits have theirs, with the best of PyTorch over Haze', (t) => {
  const text = '<!-- bench wide 256: ratios-pytorch -->\nold\n<!-- end -->\n';
  const rows = report.results.map((row) => ({ ...row, wide: row.by === 'haze' }));
  const limited = { ...report, results: rows, versions: { PyTorch: '2.0, AVX2, limited' } };
  t.is(editionOf(limited), '-wide-256');
  t.is(editionOf({ ...limited, results: report.results }), '-256');
  t.is(fill(text, report), text);
  const filled = fill(text, limited);
  t.regex(filled, /unet forward, tiny.* \| PyTorch channels_last \| 2\.00/);
  t.notRegex(filled, /one thread|plain JS|old/);
});

test('The document lists the works of each peer', async (t) => {
  const rows = (await readFile(docs('BENCHMARKS.md'), 'utf8')).split('\n');
  const names = [...new Set(PEERS.map(({ name }) => name))];
  for (const name of names) {
    const word = name.includes(' ') ? `"${name}"` : name;
    const row = rows.find((line) => line.includes(`npm run bench:peer -- ${word} `));
    const cells = row?.split('|') ?? [];
    const said = cells
      .at(-2)
      ?.match(/`[^`]+`/g)
      ?.map((work) => work.replaceAll(/[`"]/g, ''));
    const works = PEERS.filter((peer) => peer.name === name).flatMap((peer) => peer.works);
    t.deepEqual(said?.sort(), [...works].sort(), name);
  }
});

test('An unknown marker, or one without an end, is refused', (t) => {
  const bad: [string, RegExp][] = [
    ['<!-- bench: nothing -->\n<!-- end -->', /expected one of machine, .*, got bench: nothing/],
    ['<!-- bench: unet -->\n', /1 markers begin and 0 end/],
    ['<!-- bench: unet -->\n<!-- bench: sample -->\n<!-- end -->', /2 markers begin and 1 end/],
  ];
  for (const [text, message] of bad)
    t.throws(() => fill(text, report), { instanceOf: UsageError, message });
});

for (const edition of EDITIONS)
  test(`The document's figures are those of docs/benchmarks${edition}.json`, async (t) => {
    const text = await readFile(docs('BENCHMARKS.md'), 'utf8');
    const file = docs(`benchmarks${edition}.json`);
    const measured = JSON.parse(await readFile(file, 'utf8')) as Report;
    t.is(editionOf(measured), edition);
    t.is(fill(text, measured), text);
    t.true(measured.results.length > 100);
    const table = edition.endsWith('-256') ? 'ratios-pytorch' : 'unet';
    t.true(text.includes(`<!-- bench${edition.replaceAll('-', ' ')}: ${table} -->`));
  });
