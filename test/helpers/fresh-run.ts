import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { writeCheckpoint } from '../../src/io/checkpoint.js';
import { createRun, type Json, runPaths } from '../../src/io/run.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { temporaryFolder } from './folder.js';

/** What a run of fresh weights has beside them. */
interface Extras {
  /** Classes that its network is told; some images are of none. */
  readonly classes?: readonly string[];
  /** Weights of another seed are kept as a guide. */
  readonly guide?: boolean;
  /** How its recipe samples. */
  readonly sampling?: RunConfig['sampling'];
  /** What it would train on; default `toy-cars`. */
  readonly data?: string;
}

/** A run with a checkpoint of fresh weights, in a folder of its own; returns its path. */
export async function freshRun(
  t: ExecutionContext,
  flags: Record<string, string | boolean>,
  { classes, guide = false, sampling, data = 'toy-cars' }: Extras = {},
): Promise<string> {
  const folder = await temporaryFolder(t);
  const base: RunConfig = newRunConfig(data, new Args(flags));
  const config = {
    ...base,
    ...(sampling && { sampling }),
    ...(classes && {
      data: { ...base.data, classes: { by: 'bodies', names: classes } },
      model: { ...base.model, numClasses: classes.length + 1 },
      training: { ...base.training, labelDropout: 0.1 },
    }),
  } as RunConfig;
  const out = join(folder, 'run');
  await createRun(out, config as unknown as Json);
  const weights = (seed: number) =>
    initialState(buildNetwork(config.model), new CounterRandom(seed));
  const moments = { step: 0, m: new Map(), v: new Map() };
  const parts = { model: async () => weights(1), optimizer: async () => moments, state: {} };
  await writeCheckpoint(out, 1, parts, 1);
  if (guide) await writeSafetensors(runPaths(out).guide, weights(2));
  return out;
}

/** A small unet2d, of seconds. */
export const SMALL = {
  ...{ network: 'unet2d', size: '16', widths: '8,12', layers: '1', 'head-dim': 'all' },
  ...{ 'norm-eps': '1e-6', 'down-padding': '0', timesteps: '77', schedule: 'cosine' },
};
