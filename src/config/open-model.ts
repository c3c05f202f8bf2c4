import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import { resolveModel } from '../io/model-source.js';
import { checkNetworkOf, type OnNote, readNetwork } from '../io/weights.js';
import { kebab } from './args.js';
import type { DiffusionConfig, ModelConfig, RunConfig } from './config.js';
import { DIFFUSION_DEFAULTS, readDiffusion, withDiffusion } from './diffusion.js';
import { checkModel, readModel } from './model.js';
import { PRESETS } from './presets.js';
import { readRunConfig } from './read.js';
import type { Source } from './source.js';

/** A model found on disk: what it is, and where its weights are. */
export interface OpenModel {
  /** Path of the file of weights, as readWeights takes it. */
  readonly weights: string;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  /** The run it belongs to; null for bare weights. */
  readonly run: RunConfig | null;
}

/**
 * Opens a run, a checkpoint folder or bare weights. A run's config wins: a setting that says otherwise is
 * an error. The architecture of bare weights is read off their shapes, the rest comes from settings or defaults.
 * @param onNote told which names of bare weights were taken
 * @throws UsageError for what is no model, or settings against it.
 */
export async function openModel(
  path: string,
  settings: Source,
  onNote?: OnNote,
): Promise<OpenModel> {
  const source = await resolveModel(path);
  const { weights } = source;
  const config = source.kind === 'weights' ? undefined : source.config;
  const run = config === undefined ? null : await readRunConfig(config);
  const model = readModel(settings);
  const diffusion = readDiffusion(settings);
  if (run) {
    await checkNetworkOf(weights, run.model, 'config.json');
    refuseOthers(path, run.model, model);
    refuseOthers(path, run.diffusion, diffusion);
    return { weights, model: run.model, diffusion: run.diffusion, run };
  }
  const architecture = await readNetwork(weights, onNote);
  refuseOthers(path, architecture, model);
  const chosen = withDiffusion(DIFFUSION_DEFAULTS, diffusion);
  const size = model.size ?? PRESETS.reference.model.size;
  return { weights, model: checkModel({ ...architecture, size }), diffusion: chosen, run };
}

/** @throws UsageError for a setting that the model has already and that is given otherwise. */
function refuseOthers<T extends object>(path: string, has: T, given: Partial<T>): void {
  for (const [name, value] of Object.entries(given)) {
    const own = has[name as keyof T];
    if (own !== undefined && !isDeepStrictEqual(own, value))
      throw new UsageError(`--${kebab(name)}: ${path} has ${String(own)}, got ${String(value)}`);
  }
}
