/** Draws samples of a model into a temporary file: the images of `haze generate` with the same seed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadCount } from '../config/computing.js';
import { Interrupted } from '../errors.js';
import { generate } from '../generate/generate.js';
import type { EvaluateOptions, ModelSubject } from './options.js';

export interface DrawnSamples {
  /** A folder for `openSource`. */
  readonly path: string;
  remove(): Promise<void>;
}

/** @throws like `generate`, which is interrupted without any images kept */
export async function drawSamples(
  subject: ModelSubject,
  { computing, seed, requireCuda, signal, onEvent }: EvaluateOptions,
  onProgress: (done: number, total: number) => void,
): Promise<DrawnSamples> {
  const { weights, model, autoencoder, diffusion, sampling, count } = subject;
  const { condition, guide, classNames } = subject;
  const path = await mkdtemp(join(tmpdir(), 'haze-evaluate-'));
  const remove = () => rm(path, { recursive: true, force: true });
  try {
    await generate({
      ...{ weights, model, autoencoder, diffusion, sampling, condition, guide, classNames },
      ...{ computing, seed, count, requireCuda },
      out: path,
      format: 'safetensors',
      workers: threadCount(computing),
      batch: null,
      shard: { index: 1, of: 1 },
      resume: false,
      ...(signal && { signal }),
      onEvent: (event) => {
        if (event.kind === 'note') onEvent?.(event);
        else onProgress(event.done, event.total);
      },
    });
    return { path, remove };
  } catch (error) {
    await remove();
    // generate's message says what it keeps.
    if (error instanceof Interrupted)
      throw new Interrupted('interrupted; the samples drawn so far are not kept', { cause: error });
    throw error;
  }
}
