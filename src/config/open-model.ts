import { dirname } from 'node:path';
import { UsageError } from '../errors.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { checkpointPaths } from '../io/checkpoint.js';
import { resolveModel } from '../io/model-source.js';
import type { Pipeline } from '../io/pipeline.js';
import { isFile, runPaths } from '../io/run.js';
import { checkNetworkOf, type OnNote, readNetwork } from '../io/weights.js';
import { type NetworkConfig, sizeFactor } from '../network/network.js';
import { UNSAID_OF } from '../network/recognise.js';
import { readAutoencoder } from './autoencoder.js';
import { type ClassLabels, readClassLabels } from './class-labels.js';
import type { DiffusionConfig, ModelConfig, RunConfig } from './config.js';
import {
  DIFFUSION_DEFAULTS,
  readDiffusion,
  readObjective,
  wholeDiffusion,
  withDiffusion,
} from './diffusion.js';
import { readImageSize } from './image-size.js';
import { guideStepOf } from './kept-guide.js';
import { changedModel, readNetworkConfig } from './model.js';
import { flagOf } from './network-fields.js';
import { type GivenModel, readGiven } from './network-settings.js';
import { PRESETS } from './presets.js';
import { readRunConfig } from './read.js';
import { refuseFields, refuseOtherNetwork, refuseOthers } from './same-network.js';
import { samplingOfRun } from './sampling.js';
import { readScheduler, type SamplingDefaults } from './scheduler.js';
import { show } from './show.js';
import type { Source } from './source.js';
import { forwardFlags, UNTOLD } from './untold.js';
import { readWhichWeights } from './which-weights.js';

/** A model found on disk: its network, and where its weights are. */
export interface OpenModel {
  /** Path of the file of weights, as readWeights takes it. */
  readonly weights: string;
  readonly model: ModelConfig;
  /** What decodes its images, which are latents; null for pixels, and for latents that come without one. */
  readonly autoencoder: AutoencoderFiles | null;
  readonly diffusion: DiffusionConfig;
  /** The run it belongs to; null for bare weights and diffusers folders. */
  readonly run: RunConfig | null;
  /** Path of the weights that its run kept as a guide; null if it kept none. */
  readonly guide: string | null;
  /** The meaning of the labels in a diffusers folder; null if it gives none, and for everything else. */
  readonly classLabels: ClassLabels | null;
  /** Sampling defaults, from its scheduler or its run's recipe. */
  readonly sampling: SamplingDefaults;
  /** For the user: what was assumed for bare weights. */
  readonly notes: readonly string[];
}

/**
 * Opens a run, a checkpoint folder, a diffusers folder or bare weights. The config of a run or folder has priority: a
 * conflicting setting is an error. The network of bare weights follows from their shapes, the rest from settings
 * or defaults.
 * @param onNote told which names of bare weights were used
 * @param sizeOf whether the setting `size` is that of any model, or of bare weights alone, and for others something else
 * @throws UsageError if `path` is not a model, or a setting conflicts with it
 */
export async function openModel(
  path: string,
  settings: Source,
  onNote?: OnNote,
  sizeOf: 'any model' | 'bare weights' = 'any model',
): Promise<OpenModel> {
  const free = sizeOf === 'any model' ? [] : ['size'];
  const source = await resolveModel(path);
  const { weights } = source;
  if (source.kind === 'pipeline' || source.kind === 'weights')
    readWhichWeights(settings, path, null);
  if (source.kind === 'pipeline') return openPipeline(path, source.pipeline, settings, free);
  const config = source.kind === 'weights' ? undefined : source.config;
  if (config === undefined) return openBare(path, weights, settings, onNote);
  refuseConfig(path, settings);
  const run = await readRunConfig(config);
  const { model, diffusion } = run;
  const decay = readWhichWeights(settings, path, run.training);
  const chosen = decay === null ? weights : checkpointPaths(dirname(weights)).average(decay);
  if (decay !== null && !(await isFile(chosen)))
    throw new UsageError(`${path}: expected the average (EMA) of decay ${decay}, got no ${chosen}`);
  await checkNetworkOf(chosen, model, 'config.json');
  refuseOtherNetwork(path, model, settings, free);
  refuseOthers(path, wholeDiffusion(diffusion), readForward(settings));
  const { guide: kept, vae } = runPaths(dirname(config));
  const own = run.data.autoencoder === undefined ? null : vae;
  const autoencoder = readAutoencoder(settings, path, model, own);
  const guide = (await isFile(kept)) ? kept : null;
  const notes = run.training.ema.length > 0 ? [`weights: ${nameOfWeights(decay)}`] : [];
  if (guide === null && mayHaveGuide(run))
    notes.push(
      `guide: the file ${kept} is missing; without --guide, no other weights guide sampling${run.data.classes ? ', only --guidance by its classes' : ''}`,
    );
  const sampling = samplingOfRun(run);
  const found = { weights: chosen, model, autoencoder, diffusion, run, guide };
  return { ...found, classLabels: null, sampling, notes };
}

/** Whether a run keeps a guide: of its last step, there is none. A length in epochs tells no steps. */
const mayHaveGuide = ({ training: { keepGuide, steps } }: RunConfig): boolean =>
  keepGuide !== null && (steps === null || guideStepOf(keepGuide, steps) !== null);

/** @throws UsageError for the config of a network that the model itself has */
function refuseConfig(path: string, settings: Source): void {
  if (settings.has('networkConfig'))
    throw new UsageError(
      `${settings.where('networkConfig')}: belongs to bare weights; ${path} has its network's config`,
    );
}

const nameOfWeights = (decay: number | null): string =>
  decay === null ? 'as they were trained' : `the average (EMA) of decay ${decay}`;

async function openPipeline(
  path: string,
  { index, config, scheduler, schedulerClass, weights, autoencoder: own }: Pipeline,
  settings: Source,
  free: readonly string[],
): Promise<OpenModel> {
  refuseConfig(path, settings);
  const { given } = readNetworkConfig(config);
  const asked = free.includes('size') ? undefined : readGiven(given.kind, settings).size;
  // The network supports any size that it can halve; the folder has the one it was trained at.
  const size = asked ?? (index === undefined ? undefined : readImageSize(index));
  const model = changedModel(
    given,
    { kind: given.kind, ...(size !== undefined && { size }) },
    config,
  );
  refuseOtherNetwork(path, model, settings, free);
  await checkNetworkOf(weights, model, config);
  const forward = readForward(settings);
  const classLabels = index === undefined ? null : readClassLabels(index, model);
  const autoencoder = readAutoencoder(settings, path, model, own);
  const found = { weights, model, autoencoder, run: null, guide: null, classLabels };
  if (scheduler === undefined) {
    const diffusion = withDiffusion(DIFFUSION_DEFAULTS, forward);
    return { ...found, sampling: {}, diffusion, notes: untold(path, diffusion, forward) };
  }
  const { diffusion, sampling } = readScheduler(scheduler, schedulerClass);
  refuseOthers(path, wholeDiffusion(diffusion), forward);
  return { ...found, diffusion, sampling, notes: [] };
}

async function openBare(
  path: string,
  weights: string,
  settings: Source,
  onNote: OnNote = () => {},
): Promise<OpenModel> {
  const file = settings.text('networkConfig');
  const described = file === undefined ? undefined : readNetworkConfig(file).given;
  const kind = described?.kind ?? (await readNetwork(weights, onNote)).kind;
  const given = { ...described, ...readGiven(kind, settings) } as GivenModel;
  const found = await readNetwork(weights, () => {}, hintsOf(given));
  const size = given.size ?? usualSize(found);
  const model = changedModel(found, { kind: found.kind, size } as GivenModel, path);
  refuseOtherNetwork(path, model, settings);
  if (described) refuseFields(path, model, { ...described, size });
  const asked = readForward(settings);
  const diffusion = withDiffusion(DIFFUSION_DEFAULTS, asked);
  const notes =
    found.kind === 'simple'
      ? []
      : [...(described ? [] : [unsaid(path, model, given)]), ...untold(path, diffusion, asked)];
  const none = { run: null, guide: null, classLabels: null, sampling: {} };
  const autoencoder = readAutoencoder(settings, path, model, undefined);
  return { weights, model, autoencoder, diffusion, ...none, notes };
}

/** The size of a network's images if nothing tells it: the reference's, or the next that it can have. */
function usualSize(network: NetworkConfig): number {
  const factor = sizeFactor(network);
  return factor * Math.ceil(PRESETS.reference.model.size / factor);
}

/** The forward process and the network's objective. */
const readForward = (settings: Source): Partial<DiffusionConfig> => ({
  ...readDiffusion(settings),
  ...readObjective(settings),
});

const unsaidOf = ({ kind }: Pick<NetworkConfig, 'kind'>): readonly string[] => UNSAID_OF[kind];

/** Settings that shapes do not tell. */
const hintsOf = (given: GivenModel) =>
  Object.fromEntries(Object.entries(given).filter(([name]) => unsaidOf(given).includes(name)));

/** What is assumed of the forward process of weights that come without a scheduler, most of which had another one. */
function untold(
  path: string,
  diffusion: DiffusionConfig,
  asked: Partial<DiffusionConfig>,
): string[] {
  const assumed = forwardFlags(diffusion, asked);
  return assumed === '' ? [] : [`${path}: ${UNTOLD}; assumed: ${assumed}`];
}

/** The values assumed for bare weights, whose shapes fit other values too. */
function unsaid(path: string, model: NetworkConfig, given: object): string {
  const assumed = unsaidOf(model)
    .filter((name) => !(name in given) && name !== 'dropout')
    .map((name) => `--${flagOf(model.kind, name)} ${show(model[name as keyof typeof model])}`);
  return `${path}: shapes do not determine the network; assumed: ${assumed.join(', ')}; --network-config gives all of it`;
}
