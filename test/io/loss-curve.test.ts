import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { UsageError } from '../../src/errors.js';
import { lossCurve, writeLossCurve } from '../../src/io/loss-curve.js';
import type { Metrics } from '../../src/io/metrics.js';
import { temporaryFolder } from '../helpers/folder.js';

const step = (n: number, loss: number): Metrics => ({
  step: n,
  epoch: 0,
  loss,
  lr: 1e-3,
  imagesPerSecond: 50,
  ms: {},
});

const heldOut = (n: number, heldOutLoss: number): Metrics => ({ step: n, epoch: 0, heldOutLoss });

const run = (steps: number): Metrics[] =>
  Array.from({ length: steps }, (_, i) => step(i + 1, 1 / (i + 1)));

test('the mean is over a window of steps, and is drawn at its middle', (t) => {
  const curve = lossCurve([1, 2, 3, 4, 5, 6].map((n) => step(n, 10 * n)));
  t.is(curve.window, 5);
  t.deepEqual(curve.mean, [
    { step: 3, loss: 30 },
    { step: 4, loss: 40 },
  ]);
});

test('held-out losses are a separate series, and losses that are not finite are omitted', (t) => {
  const curve = lossCurve([
    step(1, 0.5),
    heldOut(1, 0.75),
    step(2, Number.NaN),
    heldOut(2, Infinity),
  ]);
  t.deepEqual(curve.steps, [{ step: 1, loss: 0.5 }]);
  t.deepEqual(curve.heldOut, [{ step: 1, loss: 0.75 }]);
});

test('a long run is thinned to the resolution of the picture, with a longer window', (t) => {
  const { steps, window } = lossCurve(run(100_000));
  t.is(steps.length, 4000);
  t.is(window, 2000);
});

test('the SVG has titled axes, every series, and a legend of them', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'loss.svg');
  await writeLossCurve(path, [...run(200), heldOut(100, 0.3), heldOut(200, 0.2)]);
  const svg = await readFile(path, 'utf8');
  for (const text of [
    'training step',
    'loss on the noise',
    'each step',
    'mean of 5 steps',
    'held out',
  ])
    t.true(svg.includes(`>${text}</text>`), text);
  t.deepEqual(await readdir(dir), ['loss.svg']);
  await writeLossCurve(path, run(200));
  t.false((await readFile(path, 'utf8')).includes('held out'));
});

test('the PNG is the same picture at twice the size, with ink on white', async (t) => {
  const path = join(await temporaryFolder(t), 'loss.png');
  await writeLossCurve(path, run(50));
  const { width, height, format } = await sharp(path).metadata();
  t.is(format, 'png');
  t.true(width > 1500 && height > 800, `${width}x${height}`);
  const { channels } = await sharp(path).stats();
  t.true(channels.every(({ min, max }) => min < 100 && max === 255));
});

test('a run of one step can be drawn, one without losses cannot', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'loss.png');
  await t.throwsAsync(writeLossCurve(path, [step(1, Number.NaN)]), {
    instanceOf: UsageError,
    message: `${path}: expected losses to draw, got a log without any`,
  });
  t.deepEqual(await readdir(dir), []);
  await writeLossCurve(path, run(1));
  t.deepEqual(await readdir(dir), ['loss.png']);
});

test('points match the axes: the first loss is at the top left, the last at the bottom right', async (t) => {
  const path = join(await temporaryFolder(t), 'loss.svg');
  await writeLossCurve(path, [step(0, 8), step(4, 4), step(8, 0)]);
  const svg = await readFile(path, 'utf8');
  // 760 pixels of 8 steps, and 400 of losses up to 8, a round number.
  t.regex(svg, /<polyline points="0,0 380,200 760,400" /);
  t.is(svg.match(/<circle [^>]*r="2"/g)?.length, 3, 'a dot for each of few points');
  for (const tick of ['1', '4', '8']) t.true(svg.includes(`>${tick}</text>`), tick);
  t.notRegex(svg, />\d\.5<\/text>/, 'half a step');
});
