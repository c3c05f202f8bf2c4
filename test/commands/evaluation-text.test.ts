import test from 'ava';
import { evaluationAsText } from '../../src/commands/evaluation-text.js';
import type { Evaluation } from '../../src/evaluate/options.js';

const options = {
  subject: { kind: 'images', name: 'a' },
  nearest: null,
  saveStatistics: null,
} as const;

const evaluation = (samples: number, reference: number, frechet: number): Evaluation => ({
  ...{ seed: 0, samples: null, reference: null, features: null, coverage: null },
  ...{ slicedWasserstein: null, nearest: null, likelihood: null, frechet },
  kernel: { all: 0.002, mean: 0.002, deviation: 0.0001, subsets: 100, subsetSize: 20 },
  pairs: { samples, reference },
});

test('The deviation over subsets is shown, unless each of them is the whole of both sets', (t) => {
  t.regex(
    evaluationAsText(evaluation(20, 30, 1), options),
    /over subsets +2\.000 +±0\.1000 \(100 subsets of 20\)/,
  );
  const whole = evaluationAsText(evaluation(20, 20, 1), options);
  t.regex(
    whole,
    /over subsets +2\.000 +each of the 100 subsets is all 20 images, so there is no deviation/,
  );
  t.notRegex(whole, /±/);
});

test('A distance of 0 is printed as 0, and a rounding error as such', (t) => {
  t.regex(evaluationAsText(evaluation(20, 30, 0), options), /Fréchet distance +0 *\n/);
  t.regex(evaluationAsText(evaluation(20, 30, 3.6e-15), options), /Fréchet distance +3\.6e-15/);
});
