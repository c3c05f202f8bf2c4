/**
 * Exports a model as a folder of diffusers. `from_pretrained` of its pipeline reads it whole, but for a dit of pixels, of which network
 * and scheduler are read by theirs, since a `DiTPipeline` draws only through an autoencoder.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClassLabels, classLabelsJson } from '../config/class-labels.js';
import type { DiffusionConfig, ModelConfig } from '../config/config.js';
import { imageSizeJson } from '../config/image-size.js';
import { type SamplingDefaults, schedulerJson } from '../config/scheduler.js';
import { UsageError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { type PipelineClass, pipelinePaths } from '../io/pipeline.js';
import { writeSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import { AUTOENCODER_CLASSES } from '../network/autoencoder.js';
import {
  className,
  type DiffusersConfig,
  isOfDiffusers,
  toDiffusers,
} from '../network/diffusers-config.js';
import { withSingleClass } from '../network/single-class.js';
import type { StateDict } from '../network/state.js';
import { writeAutoencoder } from './autoencoder.js';
import { json, requireNew, wholeFolder } from './whole-folder.js';

/** The model and the destination. */
export interface ExportOptions {
  /** Path of the file of weights. */
  readonly weights: string;
  readonly model: ModelConfig;
  /** The autoencoder of a model of latents; default null, for one of pixels. */
  readonly autoencoder?: AutoencoderFiles | null;
  readonly diffusion: DiffusionConfig;
  readonly sampling: Pick<SamplingDefaults, 'clamp' | 'variance'>;
  /** Whether a teacher taught it to draw in few steps by DDIM; default false. */
  readonly fewSteps?: boolean;
  /** The meaning of the labels of a class-conditional network; null if unknown. */
  readonly classLabels: ClassLabels | null;
  /** The folder, which must not exist yet. */
  readonly out: string;
}

/** The pipelines of each network. */
const PIPELINES: Readonly<
  Record<DiffusersConfig['kind'], Readonly<Record<'pixels' | 'latents', PipelineClass>>>
> = {
  unet2d: { pixels: 'DDPMPipeline', latents: 'LDMPipeline' },
  dit: { pixels: 'DiTPipeline', latents: 'DiTPipeline' },
};

/**
 * Writes the folder atomically; attention layers get their current names.
 * @returns the class of the pipeline
 * @throws UsageError for a network that diffusers does not have, and for an existing folder; RunError for a full disk
 */
export async function exportDiffusers(options: ExportOptions): Promise<PipelineClass> {
  const { model, autoencoder = null, fewSteps = false, out } = options;
  if (!isOfDiffusers(model))
    throw new UsageError(
      `export diffusers: expected a network that diffusers has, ${Object.keys(PIPELINES).join(' or ')}, got ${model.kind}`,
    );
  await requireNew(out);
  const state = stateOf(model, await readWeights(options.weights));
  const config = toDiffusers(model, model.size);
  const scheduler = schedulerJson(options.diffusion, options.sampling, fewSteps);
  const usual = PIPELINES[model.kind][autoencoder ? 'latents' : 'pixels'];
  const pipeline = fewSteps && usual === 'DDPMPipeline' ? 'DDIMPipeline' : usual;
  await wholeFolder(out, async (folder) => {
    const { parts, ...paths } = pipelinePaths(folder, pipeline);
    const index = {
      _class_name: pipeline,
      scheduler: ['diffusers', scheduler._class_name],
      [parts.network]: ['diffusers', className(model)],
      ...(parts.autoencoder && { [parts.autoencoder]: autoencoderClass(autoencoder) }),
      ...(options.classLabels && classLabelsJson(options.classLabels)),
      ...imageSizeJson(model),
    };
    for (const path of paths.folders) await mkdir(path);
    if (autoencoder) await writeAutoencoder(autoencoder, join(folder, parts.autoencoder!));
    await writeSafetensors(paths.weights, state, { format: 'pt' });
    await writeFileAtomically(paths.config, json(config));
    await writeFileAtomically(paths.scheduler, json(scheduler));
    await writeFileAtomically(paths.index, json(index));
  });
  return pipeline;
}

/** An autoencoder in an index. */
const autoencoderClass = (files: AutoencoderFiles | null): unknown[] =>
  files ? ['diffusers', AUTOENCODER_CLASSES[files.config.kind]] : [null, null];

/** The weights that the class has. */
const stateOf = (config: DiffusersConfig, state: StateDict): StateDict =>
  config.kind === 'dit' && config.numClasses === null ? withSingleClass(config, state) : state;
