/** Exports a model as a folder that diffusers' `DDPMPipeline.from_pretrained` reads. */
import { mkdir } from 'node:fs/promises';
import { type ClassLabels, classLabelsJson } from '../config/class-labels.js';
import type { DiffusionConfig, ModelConfig } from '../config/config.js';
import { type SamplingDefaults, schedulerJson } from '../config/scheduler.js';
import { UsageError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import { pipelinePaths } from '../io/pipeline.js';
import { writeSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import { toDiffusers, UNET_CLASS } from '../network/diffusers-config.js';
import { json, requireNew, wholeFolder } from './whole-folder.js';

/** The model and the destination. */
export interface ExportOptions {
  /** Path of the file of weights. */
  readonly weights: string;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  readonly sampling: Pick<SamplingDefaults, 'clamp' | 'variance'>;
  /** The meaning of the labels of a class-conditional network; null if unknown. */
  readonly classLabels: ClassLabels | null;
  /** The folder, which must not exist yet. */
  readonly out: string;
}

/**
 * Writes the folder atomically; attention layers get their current names.
 * @throws UsageError for a network that diffusers does not have, and for an existing folder; RunError for a full disk
 */
export async function exportDiffusers(options: ExportOptions): Promise<void> {
  const { model, out } = options;
  if (model.kind !== 'unet2d')
    throw new UsageError(
      `export diffusers: expected a network that diffusers has, a unet2d, got ${model.kind}`,
    );
  await requireNew(out);
  const state = await readWeights(options.weights);
  const { index, config, scheduler } = {
    index: {
      _class_name: 'DDPMPipeline',
      scheduler: ['diffusers', 'DDPMScheduler'],
      unet: ['diffusers', UNET_CLASS],
      ...(options.classLabels && classLabelsJson(options.classLabels)),
    },
    config: toDiffusers(model, model.size),
    scheduler: schedulerJson(options.diffusion, options.sampling),
  };
  await wholeFolder(out, async (folder) => {
    const paths = pipelinePaths(folder);
    for (const path of paths.folders) await mkdir(path);
    await writeSafetensors(paths.weights, state, { format: 'pt' });
    await writeFileAtomically(paths.config, json(config));
    await writeFileAtomically(paths.scheduler, json(scheduler));
    await writeFileAtomically(paths.index, json(index));
  });
}
