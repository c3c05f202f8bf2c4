import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../../src/config/config.js';
import { parseRunConfig } from '../../src/config/read.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { newRun, tinyRun, writeBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

type Device = RunConfig['computing']['device'];

/** Trains to `steps` on one device, from the run's checkpoint if it has one. Gives the warnings and the device chosen. */
async function trainTo(
  out: string,
  source: string,
  device: Device,
  steps: number,
  resume: boolean,
) {
  const config = tinyRun(source, { steps });
  const computing = { ...config.computing, device };
  // Smooth: of L1's gradients, those of residuals within rounding of zero would differ.
  const diffusion = { ...config.diffusion, loss: 'l2' } as const;
  const warnings: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'warning') warnings.push(event.text);
  };
  const options = { ...newRun({ ...config, computing, diffusion }, out), resume };
  await train({ ...options, onEvent });
  const saved = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
  return { warnings, chosen: parseRunConfig('config', saved).chosen?.device };
}

/** Losses of all steps, and the tensors of the checkpoint at `step`. */
async function results(out: string, step: number) {
  const lines = await readMetrics(join(out, 'metrics.jsonl'));
  const losses = lines.map((line) => ('loss' in line ? line.loss : Number.NaN));
  const folder = join(out, 'checkpoints', `step-${step}`);
  const read = async (name: string) =>
    (await readSafetensors(join(folder, `${name}.safetensors`))).tensors;
  return { losses, model: await read('model'), optimizer: await read('optimizer') };
}

/** The mean distance of two tensors' values, and the mean size of the expected ones. */
function distance(got: Float32Array, expected: Float32Array) {
  const mean = (of: (v: number, i: number) => number) =>
    expected.reduce((sum, v, i) => sum + Math.abs(of(v, i)), 0) / expected.length;
  return { mean: mean((v, i) => v - got[i]!), size: mean((v) => v) };
}

const LEGS = [3, 6, 9];

for (const devices of [
  ['wasm', 'tensorflow', 'wasm'],
  ['tensorflow', 'wasm', 'tensorflow'],
] as const)
  tensorflowTest(
    `a run resumed on ${devices.join(', then ')} equals a run on one device`,
    async (t) => {
      const folder = await temporaryFolder(t);
      const source = writeBars(folder);
      const [whole, moved] = [join(folder, 'whole'), join(folder, 'moved')];
      // On the device that takes the first step, which has a gradient's sign alone: within rounding of zero either will do.
      await trainTo(whole, source, devices[0], 9, false);
      for (const [leg, device] of devices.entries()) {
        const { warnings, chosen } = await trainTo(moved, source, device, LEGS[leg]!, leg > 0);
        t.is(chosen, device);
        const warned = warnings.some((text) => /no longer bit-exact/.test(text));
        t.is(warned, leg > 0, warnings.join());
      }
      const expected = await results(whole, 9);
      const got = await results(moved, 9);
      close(t, got.losses, expected.losses, { rtol: 1e-3, what: 'losses' });
      for (const part of ['model', 'optimizer'] as const) {
        t.deepEqual([...got[part].keys()], [...expected[part].keys()]);
        for (const [name, { data }] of expected[part]) {
          const other = got[part].get(name)!.data;
          if (data instanceof BigInt64Array) t.deepEqual(other, data, name);
          else {
            const { mean, size } = distance(other as Float32Array, data as Float32Array);
            // Nine steps can move a weight by 9e-3; moments begun anew would be off by half and more.
            const allowed = part === 'model' ? 2e-4 : 0.1 * size;
            t.true(
              mean <= allowed,
              `${part} ${name} is off by ${mean} on average, allowed ${allowed}`,
            );
          }
        }
      }
    },
  );
