import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { OPTIMIZER_DEFAULTS } from '../../src/config/training.js';
import type { TrainOptions } from '../../src/train/options.js';
import { temporaryFolder } from './folder.js';

/** Forty grey 16-pixel squares with a bright bar whose place varies, as an IDX file; returns its path. */
export function writeBars(folder: string, count = 40, side = 16): string {
  const header = Buffer.alloc(16);
  [0x803, count, side, side].forEach((word, i) => {
    header.writeUInt32BE(word, 4 * i);
  });
  const pixels = Buffer.alloc(count * side * side, 40);
  for (let k = 0; k < count; k++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < 4; x++) pixels[(k * side + y) * side + ((k + x) % side)] = 220;
  const path = join(folder, 'bars.idx');
  writeFileSync(path, Buffer.concat([header, pixels]));
  return path;
}

/** The same bars in three classes: `bars-images.idx` and its labels beside it. */
export function writeLabelledBars(
  folder: string,
  labelOf = (k: number): number => k % 3,
  count = 40,
): string {
  const images = join(folder, 'bars-images.idx');
  renameSync(writeBars(folder, count), images);
  const header = Buffer.from([0, 0, 8, 1, 0, 0, 0, count]);
  const labels = Uint8Array.from({ length: count }, (_, k) => labelOf(k));
  writeFileSync(join(folder, 'bars-labels.idx'), Buffer.concat([header, labels]));
  return images;
}

/** A run of seconds: widths 8, 16 at 16 pixels, batches of 8, five steps an epoch. */
export function tinyRun(source: string, change: Partial<RunConfig['training']> = {}): RunConfig {
  return {
    version: 1,
    seed: 3,
    data: { source, fit: 'squash', flip: true, heldOut: null, classes: null },
    model: { size: 16, kind: 'simple', widths: [8, 16], channels: 1, timeDim: 8, norm: 'separate' },
    diffusion: { schedule: 'linear', timesteps: 20, betaStart: 1e-4, betaEnd: 0.02, loss: 'l1' },
    training: {
      ...OPTIMIZER_DEFAULTS,
      batch: 8,
      lr: 1e-3,
      epochs: null,
      steps: 7,
      saveEvery: 0,
      sampleEvery: 0,
      keep: 3,
      init: null,
      ...change,
    },
    computing: {
      device: 'wasm',
      arithmetic: 'wasm',
      threads: 2,
      strict: false,
      wide: null,
      eager: false,
    },
    chosen: null,
  };
}

/** Options of a new run in `out`. */
export const newRun = (config: RunConfig, out: string): TrainOptions => ({
  config,
  out,
  resume: false,
  dataBudget: 2 ** 30,
  requireCuda: false,
});

/** A folder with data, and the options of a run beside it. */
export async function prepared(
  t: ExecutionContext,
  change: Partial<RunConfig['training']> = {},
): Promise<{ folder: string; options: TrainOptions }> {
  const folder = await temporaryFolder(t);
  const config = tinyRun(writeBars(folder), change);
  return { folder, options: newRun(config, join(folder, 'run')) };
}
