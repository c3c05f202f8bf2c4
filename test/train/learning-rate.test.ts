import test from 'ava';
import { learningRate } from '../../src/train/learning-rate.js';
import { close } from '../helpers/kernels.js';
import { tinyRun } from '../helpers/run.js';

const { training } = tinyRun('');
const rates = (change: Partial<typeof training>, steps: readonly number[]) =>
  steps.map((step) => learningRate({ ...training, lr: 0.5, ...change }, step, 10));

test('the rate is constant by default', (t) => {
  t.deepEqual(rates({}, [0, 5, 9]), [0.5, 0.5, 0.5]);
});

test('warm-up raises the rate linearly', (t) => {
  t.deepEqual(rates({ warmup: 4 }, [0, 1, 3, 4, 9]), [0.125, 0.25, 0.5, 0.5, 0.5]);
});

test('a linear decay reaches its floor at the end of the run', (t) => {
  const decay = 'linear';
  t.deepEqual(rates({ decay }, [0, 5, 10]), [0.5, 0.25, 0]);
  close(t, rates({ decay, decayFloor: 0.2 }, [0, 5, 10]), [0.5, 0.3, 0.1], { rtol: 1e-15 });
});

test('a cosine decay is half way down in the middle of the run, also after a warm-up', (t) => {
  const decay = 'cosine';
  const expected = [0.25, 0.25 * (1 + Math.SQRT1_2), 0.25, 0];
  close(t, rates({ decay, warmup: 2 }, [0, 2.5, 5, 10]), expected, { atol: 1e-16, rtol: 1e-15 });
  close(t, rates({ decay, decayFloor: 1 }, [1, 7]), [0.5, 0.5], { rtol: 1e-15 });
});
