import test from 'ava';
import { modelTable, pivotTable, resultTable, toMarkdown } from '../../src/bench/markdown.js';
import { toResult } from '../../src/bench/result.js';
import { ours, report, results, work } from '../helpers/bench.js';

test('A report becomes sections with every row and the missing peers', (t) => {
  const text = toMarkdown(report);
  const titles = text.split('\n').filter((line) => line.startsWith('## '));
  t.deepEqual(titles, [
    '## Machine and versions',
    '## unet forward, tiny, batch 4, 32x32',
    '## arithmetic qSample, batch 4, 32x32',
    '## Time relative to Haze',
    '## Layers, forward: tiny, batch 4, 32x32, 2 threads, relaxed',
    '## Layers, train: tiny, batch 4, 32x32, 2 threads, relaxed',
    '## Not measured',
  ]);
  const lines = [
    '| memory | 8.0 GiB |',
    '| PyTorch | 2.0 |',
    '| haze, wasm, relaxed, 2 threads | 2.50 | 400 | ±7.5 % | 1.00 |',
    '| PyTorch channels_last, 2 threads | 5.00 | 200 | ±7.5 % | 2.00 |',
    '| unet forward, tiny, batch 4, 32x32 | PyTorch channels_last | 2.00 | 2.00 | 2.00 |',
    '| downs.0.conv1 | forward | F(4,3) | 3.00 | 60 % | 200 |  | 50 % |  |',
    '| relu |  |  | 1.00 | 20 % |  | 10.0 |  | 25 % |',
    '- unet forward, tiny, batch 4, 32x32: tfjs-node: not set up: haze setup tensorflow',
  ];
  for (const line of lines) t.true(text.includes(`${line}\n`), line);
});

test('Kinds of layers come before the layers, and models have a table with their descriptions', (t) => {
  t.true(toMarkdown(report).includes('| convolution | 4.00 | 80 % | 41 % |  |\n'));
  t.true(toMarkdown(report).includes('| activation | 1.00 | 20 % |  | 25 % |\n'));
  const models = modelTable();
  t.regex(
    models,
    /^\| `reference` \| .* \| forward in batches of 8 and 1, train in .* 8 \|.* 62,438,883 \|$/m,
  );
  t.regex(models, /^\| `ddpm-cifar10-32` \| .*google.* \| 32x32 \| 35,746,307 \|$/m);
});

test('Every row of a table has as many cells as its header', (t) => {
  const tables = toMarkdown(report)
    .split('\n\n')
    .filter((block) => block.startsWith('|'));
  t.true(tables.length >= 6);
  for (const block of tables) {
    const cells = block
      .trimEnd()
      .split('\n')
      .map((row) => row.split('|').length);
    t.is(new Set(cells).size, 1, block);
  }
});

test('A reverse step has its own column', (t) => {
  const step = { ...work, subject: 'sample', what: 'reverse step', steps: 300 } as const;
  const table = resultTable([toResult(step, ours, [8, 8, 8])]);
  t.true(table.startsWith('| path | ms a step | ms an image |'));
  t.regex(table, /2 threads \| 8\.00 \| 600 \| 1\.67 \|/);
});

test('Kernels are listed side by side, with an empty cell if a path lacks one', (t) => {
  const arithmetic = results.filter(({ subject }) => subject === 'arithmetic');
  const other = { ...arithmetic[0]!, what: 'gaussian', ms: 5 };
  t.deepEqual(pivotTable([...arithmetic, other]).split('\n'), [
    '| ms | qSample | gaussian |',
    '| --- | ---: | ---: |',
    '| haze, wasm, relaxed, 2 threads | 2.00 | 5.00 |',
    '| plain JS, 1 thread | 8.00 |  |',
    '',
  ]);
});

test('A report with nothing missing says so', (t) => {
  t.regex(toMarkdown({ ...report, missing: [] }), /Everything requested was measured/);
});
