import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readRunConfig } from '../../src/config/read.js';
import {
  type LossWeighting,
  type RunOptions,
  resumeConfig,
  runConfig,
  type TrainResult,
  train,
  UsageError,
} from '../../src/index.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const settings = (data: string): RunOptions => ({
  ...{ data, size: 16, widths: [8, 16], channels: 1, timeDim: 8, batch: 8, timesteps: 20 },
  ...{ saveEvery: 0, sampleEvery: 0, threads: 1, steps: 6, objective: 'v' },
});
const OWN: LossWeighting = ({ snr }) => Math.min(snr, 5) / (snr + 1);

const weights = ({ checkpoint }: TrainResult): Buffer =>
  readFileSync(join(checkpoint, 'model.safetensors'));

test('a run with custom weights resumes with the same bits, from its config alone or with the function', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder);
  const run = async (out: string, change: Partial<RunOptions>) => {
    const config = runConfig({ ...settings(data), ...change });
    return train({ config, out: join(folder, out) });
  };
  const whole = await run('whole', { weighting: OWN });
  t.deepEqual(weights(await run('snr', { weighting: 'min-snr' })), weights(whole));
  t.notDeepEqual(weights(await run('plain', {})), weights(whole));
  for (const again of [{}, { weighting: OWN }]) {
    const out = join(folder, `half${Object.keys(again)}`);
    await train({ config: runConfig({ ...settings(data), steps: 3, weighting: OWN }), out });
    const config = await resumeConfig(out, { steps: 6, ...again });
    t.deepEqual(weights(await train({ config, out, resume: true })), weights(whole));
    const { training } = await readRunConfig(join(out, 'config.json'));
    t.is(training.lossWeights!.length, 20);
    t.is(training.snrGamma, null);
  }
  for (const weighting of ['none', 'min-snr', () => 1] as const)
    await t.throwsAsync(resumeConfig(join(folder, 'half'), { weighting }), {
      instanceOf: UsageError,
      message: /^resumeConfig\.(weighting|snrGamma): .*half has .*; a resume may change only/,
    });
  const { code } = await haze(folder, ['train', '--out', 'half', '--resume', '--steps', '7']);
  t.is(code, 0);
});

test('invalid or conflicting weights are refused by name', (t) => {
  const wrong: [Partial<RunOptions>, RegExp][] = [
    [
      { weighting: () => Number.NaN },
      /^runConfig\.weighting: expected .*, got NaN for timestep 0$/,
    ],
    [{ lossWeights: [1, 2] }, /lossWeights: expected 20 weights, one per timestep, got 2$/],
    [{ lossWeights: [-1] }, /^runConfig\.lossWeights: expected a list of/],
    [
      { weighting: () => 1, snrGamma: 3 },
      /^runConfig\.snrGamma: belongs to weighting min-snr, got custom weights$/,
    ],
    [{ weighting: 'max-snr' as 'none' }, /^runConfig\.weighting: expected one of none, min-snr/],
  ];
  for (const [change, message] of wrong)
    t.throws(() => runConfig({ ...settings('data'), ...change }), {
      instanceOf: UsageError,
      message,
    });
  const flow = runConfig({ ...settings('data'), objective: 'flow', weighting: ({ t: s }) => s });
  t.is(flow.training.lossWeights!.length, 1001);
});

tensorflowTest('custom weights give the same losses on tensorflow as on wasm', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder);
  const losses: number[] = [];
  for (const device of ['wasm', 'tensorflow'] as const) {
    const config = runConfig({ ...settings(data), steps: 2, weighting: OWN, device });
    const { loss } = await train({ config, out: join(folder, device) });
    losses.push(loss!);
  }
  t.true(Math.abs(losses[0]! - losses[1]!) < 1e-5 * losses[0]!, losses.join());
});
