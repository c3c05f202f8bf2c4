import test from 'ava';
import { measure } from '../../src/bench/rounds.js';
import { CheckError, RunError } from '../../src/errors.js';
import { Clock, contender, ours, peer, work } from '../helpers/bench.js';

const clock = new Clock();

const options = {
  ...{ rounds: 3, tolerance: 1e-3, pause: 0, now: clock.now },
  onNote: () => undefined,
};

/** A run that is long enough to be a turn, and one that is not. */
const long = () => clock.pass(1000);
const short = () => clock.pass(400);

test.serial('All paths are checked before any is timed; then they take turns', async (t) => {
  const order: string[] = [];
  const traced = ['haze', 'PyTorch'].map((by) => ({
    path: peer(by),
    check: async () => {
      order.push(`check ${by}`);
      return [1];
    },
    turn: async () => {
      order.push(by);
      return 300;
    },
  }));
  await measure(work, traced, options);
  t.deepEqual(order.slice(0, 2), ['check haze', 'check PyTorch']);
  // A round to warm up, and three that count; each turn may be several runs.
  const turns = order.slice(2).filter((by, i, all) => by !== all[i - 1]);
  t.deepEqual(turns, Array.from({ length: 4 }, () => ['haze', 'PyTorch']).flat());
});

test.serial(
  'A path with a different result is an error that names both, and nothing is timed',
  async (t) => {
    const first = contender(ours, [1, 2]);
    const other = contender(peer('PyTorch'), [1, 2.1]);
    const error = await t.throwsAsync(measure(work, [first, other], options), {
      instanceOf: CheckError,
    });
    t.is(
      error?.message,
      'unet forward, tiny, batch 4, 32x32: PyTorch, 2 threads gives a different result from ' +
        'haze, wasm, relaxed, 2 threads: 0.033 apart, allowed 0.001',
    );
    t.deepEqual([...first.calls, ...other.calls], ['check', 'check']);
  },
);

test.serial('A peer with a different result is left out with the reason', async (t) => {
  const reasons: string[] = [];
  const onFailure = ({ message }: RunError) => reasons.push(message);
  const paths = [contender(ours, [1, 2]), { ...contender(peer('PyTorch'), [1, 2.1]), onFailure }];
  const results = await measure(work, paths, options);
  t.deepEqual(
    results.map(({ by }) => by),
    ['haze'],
  );
  t.deepEqual(reasons, [
    'gives a different result from haze, wasm, relaxed, 2 threads: 0.033 apart, allowed 0.001',
  ]);
});

test.serial('A NaN is rejected like a result that is far off', async (t) => {
  const paths = [contender(ours, [1]), contender(peer('PyTorch'), [Number.NaN])];
  await t.throwsAsync(measure(work, paths, options), { instanceOf: CheckError, message: /NaN/ });
});

test.serial('A path may have a larger tolerance than the others', async (t) => {
  const another = { ...contender(peer('PyTorch'), [1.04]), tolerance: 0.05 };
  t.is((await measure(work, [contender(ours, [1]), another], options)).length, 2);
  const strict = { ...contender(peer('PyTorch'), [1.04]), tolerance: 0.001 };
  await t.throwsAsync(measure(work, [contender(ours, [1]), strict], options));
});

test.serial('The first round warms up and does not count', async (t) => {
  const path = contender(ours, [1], [9000, 300, 400, 320], long);
  const [result] = await measure(work, [path], options);
  t.deepEqual(path.calls, ['check', ...Array.from({ length: 4 }, () => 'turn')]);
  t.deepEqual(result?.rounds, [300, 400, 320]);
  t.is(result?.ms, 320);
  t.is(result?.msPerImage, 80);
  t.is(result?.imagesPerSecond, 12.5);
});

test.serial(
  'Work shorter than a turn is repeated within it, and the median is reported',
  async (t) => {
    const path = contender(ours, [1], [100, 90, 10, 80], short);
    const [result] = await measure(work, [path], { ...options, rounds: 1 });
    t.deepEqual(path.calls, ['check', ...Array.from({ length: 4 }, () => 'turn')]);
    t.deepEqual(result?.rounds, [80]);
  },
);

test.serial('Very short work is repeated only up to a limit', async (t) => {
  const path = contender(ours, [1], [100, 90, 10, 80]);
  await measure(work, [path], { ...options, rounds: 1 });
  t.is(path.calls.length, 1 + 1 + 25);
});

test.serial(
  'The number of repetitions follows from the duration of a run, not from what it reports',
  async (t) => {
    const harness = contender(ours, [1], [0.01], long);
    await measure(work, [harness], { ...options, rounds: 1 });
    t.deepEqual(harness.calls, ['check', 'turn', 'turn']);
  },
);

/** Works so many times, then fails. */
function failing(after: number) {
  const reasons: string[] = [];
  const path = peer('PyTorch');
  let left = after;
  const work = async () => {
    if (left-- === 0) throw new RunError('PyTorch ended: out of memory');
  };
  return {
    ...{ path, reasons },
    check: async () => {
      await work();
      return [1];
    },
    turn: async () => {
      await work();
      return 300;
    },
    onFailure: ({ message }: RunError) => {
      reasons.push(message);
    },
  };
}

for (const [when, after] of [
  ['in its check', 0],
  ['in a round', 40],
] as const)
  test.serial(
    `A path that fails ${when} is left out with its reason, and the others are measured`,
    async (t) => {
      const broken = failing(after);
      const last = contender(peer('tfjs'), [1]);
      const found = await measure(work, [contender(ours, [1]), broken, last], options);
      t.deepEqual(
        found.map(({ by, rounds }) => [by, rounds.length]),
        [
          ['haze', 3],
          ['tfjs', 3],
        ],
      );
      t.deepEqual(broken.reasons, ['PyTorch ended: out of memory']);
    },
  );

test.serial('A failure of Haze itself ends the measurement', async (t) => {
  const { onFailure: _, ...broken } = failing(0);
  await t.throwsAsync(measure(work, [broken], options), { instanceOf: RunError });
});
