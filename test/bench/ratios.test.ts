import test from 'ava';
import { noise, ratios } from '../../src/bench/ratios.js';
import { overIdle, toResult, type Work } from '../../src/bench/result.js';
import { ours, peer, results, work } from '../helpers/bench.js';

test("Ratios divide a peer's time by Haze's, using the faster of the peer's formats", (t) => {
  const [thread, torch, plain, ...none] = ratios({ results });
  t.like(thread, { over: 'one thread', ratio: 1.8, worst: 1.5, best: 2 });
  t.like(torch, { over: 'PyTorch channels_last', ratio: 2, worst: 2, best: 2 });
  t.like(plain, { what: 'qSample', over: 'plain JS', ratio: 4 });
  t.deepEqual(none, []);
});

test("The ratio uses PyTorch's fastest mode, compiled or not", (t) => {
  const best = (compiled: number, both: number) => {
    const rows = [
      toResult(work, ours, [10]),
      toResult(work, peer('PyTorch'), [30]),
      toResult(work, peer('PyTorch channels_last'), [20]),
      toResult(work, peer('PyTorch compiled'), [compiled]),
      toResult(work, peer('PyTorch compiled channels_last'), [both]),
    ];
    return ratios({ results: rows }).map(({ over, ratio }) => [over, ratio]);
  };
  t.deepEqual(best(25, 15), [['PyTorch compiled channels_last', 1.5]]);
  t.deepEqual(best(12, 15), [['PyTorch compiled', 1.2]]);
  t.deepEqual(best(25, 25), [['PyTorch channels_last', 2]]);
});

test('Work without a row of Haze has no ratio', (t) => {
  t.deepEqual(ratios({ results: [toResult(work, peer('PyTorch'), [1, 1])] }), []);
});

test('For whole images, one worker with the same batch is compared with all', (t) => {
  const images: Work = { ...work, subject: 'generate', what: 'ancestral', images: 32, steps: 10 };
  const row = (threads: number, batch: number, ms: number) =>
    toResult(images, { ...ours, threads, batch }, [ms]);
  const found = ratios({ results: [row(2, 8, 10), row(2, 4, 11), row(1, 8, 19), row(1, 4, 18)] });
  t.deepEqual(
    found.map(({ over, ratio }) => [over, ratio]),
    [['one worker', 1.9]],
  );
});

test('The time of an image follows from the time of a reverse step', (t) => {
  const step: Work = { ...work, subject: 'sample', what: 'reverse step', steps: 300 };
  t.like(toResult(step, ours, [8, 8]), { msPerStep: 8, msPerImage: 600, imagesPerSecond: 1 / 0.6 });
});

test('Beside busy processes, paths are compared with each other and with their times on an idle machine', (t) => {
  const busy: Work = { ...work, beside: 2 };
  const rows = [
    toResult(work, ours, [10]),
    toResult(work, peer('PyTorch'), [15]),
    toResult(busy, ours, [25]),
    toResult(busy, peer('PyTorch'), [75]),
  ];
  t.deepEqual(
    ratios({ results: rows }).map(({ beside, ratio }) => [beside, ratio]),
    [
      [undefined, 1.5],
      [2, 3],
    ],
  );
  t.deepEqual(
    rows.map((row) => overIdle(row, rows)),
    [null, null, 2.5, 5],
  );
  t.is(overIdle(rows[2]!, rows.slice(2)), null);
});

test('Noise is half the interquartile range, as a share of the median', (t) => {
  t.is(noise({ ms: 10, spread: [9, 11] }), 0.1);
});
