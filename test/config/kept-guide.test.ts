import test from 'ava';
import { Args } from '../../src/config/args.js';
import { guideStepOf, readKeptGuide } from '../../src/config/kept-guide.js';

const read = (text: string) => readKeptGuide(new Args({ 'keep-guide': text }));

test('A guide is kept after a share of the steps, or after a number of them that is at most a quarter', (t) => {
  const cases = [
    [0.25, 2400, 600],
    [0.001, 100, 1],
    [0.9, 10, 9],
    [600, 4800, 600],
    [600, 2400, 600],
    [600, 800, 200],
    [1, 1000, 1],
    [600, 2, 1],
    [600, 1, null],
    [0.99, 4, null],
    [0.5, 1, null],
  ] as const;
  for (const [keep, total, step] of cases)
    t.is(guideStepOf(keep, total), step, `${keep} of ${total}`);
  t.is(guideStepOf(null, 100), null);
});

test('--keep-guide takes a share, a whole number of steps, or none', (t) => {
  t.is(read('0.3'), 0.3);
  t.is(read('600'), 600);
  t.is(read('1'), 1);
  t.is(read('none'), null);
  t.is(readKeptGuide(new Args({})), undefined);
  for (const [text, message] of [
    ['0', /^--keep-guide: expected a number above 0 .*or none, got 0$/],
    ['1.5', /^--keep-guide: expected a share below 1, or a whole number of steps, got 1\.5$/],
    ['2e9', /^--keep-guide: expected a number above 0 .*or none, got 2e9$/],
  ] as const)
    t.throws(() => read(text), { name: 'UsageError', message });
});
