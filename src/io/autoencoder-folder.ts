/**
 * The folder of an autoencoder that Haze trains: diffusers' two files, and beside them what comes back of some pictures, the log of
 * the steps, and the checkpoint that a resume continues from.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UsageError } from '../errors.js';
import { type AutoencoderKlConfig, writeKlConfig } from '../network/autoencoder-kl-config.js';
import type { StateDict } from '../network/state.js';
import { asRunError, systemCode, systemReason, writeFileAtomically } from './atomic.js';
import { latestCheckpoint } from './checkpoint.js';
import { removeTemporaries } from './clean-up.js';
import { WEIGHTS } from './copy-autoencoder.js';
import { grid, type Images } from './grid.js';
import { makeFolders } from './make-folders.js';
import { writePicture } from './pictures.js';
import { runPaths } from './run.js';
import { writeSafetensors } from './safetensors.js';
import { baseOfTemporary } from './temporary.js';

/** Its files. Checkpoints and log are where a run has them. */
export function autoencoderPaths(out: string) {
  const { config, metrics, checkpoints } = runPaths(out);
  return {
    ...{ config, metrics, checkpoints },
    weights: join(out, WEIGHTS),
    reconstructions: join(out, 'reconstructions.png'),
  };
}

const OWN: readonly string[] = ['config.json', 'metrics.jsonl', 'reconstructions.png', WEIGHTS];

/** What a lock, or a system, puts into any folder. */
const NOBODYS = /^(\.haze-.*\.lock|\.DS_Store|desktop\.ini)$/;

/**
 * Refuses a folder that a new autoencoder cannot use, before anything is computed or written.
 * @throws UsageError for one that holds anything but what a training left that ended before its first checkpoint
 */
export async function checkNewAutoencoder(out: string): Promise<void> {
  const names: string[] = [];
  for (const name of await list(out))
    if (!NOBODYS.test(name) && !(await isLeft(out, name))) names.push(name);
  if (names.length === 0) return;
  const what = names.includes('checkpoints')
    ? 'one that holds a training. Add --resume to continue it, or give another --out'
    : `one that holds ${names.sort()[0]}`;
  throw new UsageError(`--out ${out}: expected a new or an empty folder, got ${what}`);
}

/** Whether a training left this before its first checkpoint: a half-written file, an empty log, a folder without a checkpoint. */
async function isLeft(out: string, name: string): Promise<boolean> {
  const { metrics, checkpoints } = autoencoderPaths(out);
  if (OWN.includes(baseOfTemporary(name) ?? '')) return true;
  if (name === basename(metrics)) return (await stat(metrics)).size === 0;
  return name === basename(checkpoints) && (await latestCheckpoint(out)) === undefined;
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new UsageError(`--out ${folder}: expected a folder to write to: ${systemReason(error)}`);
  }
}

/** Makes the folder, if it is not there. @throws RunError */
export async function makeAutoencoderFolder(out: string): Promise<void> {
  await makeFolders(out).catch((error: unknown) => {
    throw asRunError(out, error);
  });
}

/** Removes half-written files that killed processes left. The caller holds the folder's lock. @throws RunError */
export async function removeLeftOfAutoencoder(out: string): Promise<void> {
  await removeTemporaries(out, (base) => OWN.includes(base));
}

/**
 * Writes the autoencoder, as diffusers and `haze train --autoencoder` read it: each file whole or not at all.
 * @param size side of the pictures that it was trained on
 * @param state the weights by diffusers' names
 * @throws RunError
 */
export async function writeAutoencoderFolder(
  out: string,
  config: AutoencoderKlConfig,
  size: number,
  state: StateDict,
): Promise<void> {
  const paths = autoencoderPaths(out);
  await writeSafetensors(paths.weights, state, { format: 'pt' });
  const json = JSON.stringify(writeKlConfig(config, size), null, 2);
  await writeFileAtomically(paths.config, `${json}\n`);
}

/**
 * Writes pictures above what comes back of them.
 * @param images as many of the one as of the other: first all pictures, then all that came back
 * @throws RunError
 */
export const writeReconstructions = (out: string, images: Images): Promise<void> =>
  writePicture(autoencoderPaths(out).reconstructions, grid(images, { columns: images.count / 2 }));
