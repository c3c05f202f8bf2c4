/**
 * Exports a model as a folder of diffusers. `DDPMPipeline.from_pretrained` reads that of a unet2d whole; of a dit's, `from_pretrained`
 * of network and scheduler read theirs, since a `DiTPipeline` draws only through a VAE.
 */
import { mkdir } from 'node:fs/promises';
import { type ClassLabels, classLabelsJson } from '../config/class-labels.js';
import type { DiffusionConfig, ModelConfig } from '../config/config.js';
import { imageSizeJson } from '../config/image-size.js';
import { type SamplingDefaults, schedulerJson } from '../config/scheduler.js';
import { UsageError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import { type PipelineClass, pipelinePaths } from '../io/pipeline.js';
import { writeSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import {
  className,
  type DiffusersConfig,
  isOfDiffusers,
  toDiffusers,
} from '../network/diffusers-config.js';
import { withSingleClass } from '../network/single-class.js';
import type { StateDict } from '../network/state.js';
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

/** The pipeline of each network. */
const PIPELINES: Readonly<Record<DiffusersConfig['kind'], PipelineClass>> = {
  unet2d: 'DDPMPipeline',
  dit: 'DiTPipeline',
};

/**
 * Writes the folder atomically; attention layers get their current names.
 * @throws UsageError for a network that diffusers does not have, and for an existing folder; RunError for a full disk
 */
export async function exportDiffusers(options: ExportOptions): Promise<void> {
  const { model, out } = options;
  if (!isOfDiffusers(model))
    throw new UsageError(
      `export diffusers: expected a network that diffusers has, ${Object.keys(PIPELINES).join(' or ')}, got ${model.kind}`,
    );
  await requireNew(out);
  const state = stateOf(model, await readWeights(options.weights));
  const config = toDiffusers(model, model.size);
  const scheduler = schedulerJson(options.diffusion, options.sampling);
  const pipeline = PIPELINES[model.kind];
  await wholeFolder(out, async (folder) => {
    const { part, ...paths } = pipelinePaths(folder, pipeline);
    const index = {
      _class_name: pipeline,
      scheduler: ['diffusers', 'DDPMScheduler'],
      [part]: ['diffusers', className(model)],
      ...(model.kind === 'dit' && { vae: [null, null] }),
      ...(options.classLabels && classLabelsJson(options.classLabels)),
      ...imageSizeJson(model),
    };
    for (const path of paths.folders) await mkdir(path);
    await writeSafetensors(paths.weights, state, { format: 'pt' });
    await writeFileAtomically(paths.config, json(config));
    await writeFileAtomically(paths.scheduler, json(scheduler));
    await writeFileAtomically(paths.index, json(index));
  });
}

/** The weights that the class has. */
const stateOf = (config: DiffusersConfig, state: StateDict): StateDict =>
  config.kind === 'dit' && config.numClasses === null ? withSingleClass(config, state) : state;
