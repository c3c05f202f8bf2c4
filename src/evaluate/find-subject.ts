/** Determines what a path holds: a model, images, or feature statistics. */
import { stat } from 'node:fs/promises';
import { TOY_CARS } from '../data/toy-cars.js';
import { UsageError } from '../errors.js';
import { systemReason } from '../io/atomic.js';
import { checkpointPaths } from '../io/checkpoint.js';
import { fileKind, KIND_BYTES } from '../io/file-kind.js';
import { withInputFile } from '../io/input-file.js';
import { weightsPath } from '../io/network.js';
import { openNpz } from '../io/npz.js';
import { findPipeline } from '../io/pipeline.js';
import { isFile, runPaths } from '../io/run.js';
import { readHeader } from '../io/safetensors.js';
import { holdsStatistics, refuseHalf } from '../io/statistics-file.js';
import { isTorchFile } from '../io/torch/is-torch-file.js';
import type { FileSubject } from './options.js';

/** @throws UsageError if the path does not exist, or its files cannot be read */
export async function subjectKind(path: string): Promise<'model' | FileSubject['kind']> {
  if (path === TOY_CARS) return 'images';
  const { file } = await weightsPath(path);
  const entry = await stat(file).catch((error: unknown) => {
    const expected = 'expected a model, a folder of images, an array of them or statistics';
    throw new UsageError(`${path}: ${expected}, got none: ${systemReason(error)}`);
  });
  if (entry.isDirectory()) return (await holdsModel(path)) ? 'model' : 'images';
  if (/\.npz$/i.test(file))
    return withInputFile(file, 'a .npz', async (opened) => {
      const npz = await openNpz(opened);
      refuseHalf(npz, file);
      return holdsStatistics(npz) ? 'statistics' : 'images';
    });
  if (/\.safetensors$/i.test(file)) {
    const tensors = [...(await readHeader(file)).tensors.values()];
    return tensors.length === 1 && tensors[0]!.dtype === 'U8' ? 'images' : 'model';
  }
  return entry.isFile() && (await isTorch(file)) ? 'model' : 'images';
}

/** Whether the folder is a run, a checkpoint or a diffusers folder. */
const holdsModel = async (folder: string): Promise<boolean> =>
  findPipeline(folder) !== undefined ||
  (await isFile(runPaths(folder).config)) ||
  (await isFile(checkpointPaths(folder).model));

/** Whether torch.save wrote the file. Other zips and pickles are not images either, and opening them as a model gives the reason. */
const isTorch = (path: string): Promise<boolean> =>
  withInputFile(path, 'a file', async ({ handle }) => {
    const head = Buffer.alloc(KIND_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const start = head.subarray(0, bytesRead);
    return isTorchFile(start) && [undefined, 'zip'].includes(fileKind(start));
  });
