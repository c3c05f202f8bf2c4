/** A run's configuration from a program: the same settings, defaults and checks as the command line's. */
import type {
  ComputingConfig,
  DataConfig,
  DiffusionConfig,
  RunConfig,
  TrainingConfig,
} from '../config/config.js';
import { JsonObject } from '../config/json.js';
import type { PresetName } from '../config/presets.js';
import { readRunIn } from '../config/read.js';
import { newRunConfig, resumedRunConfig } from '../config/run-config.js';
import { quote } from '../config/source.js';
import type { ClassKind } from '../data/classes.js';
import { GIVEN, type GivenImages, isIterable } from '../data/given.js';
import { type LossWeighting, makeLossWeights } from '../diffusion/loss-weights.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import { requirePath } from '../io/require-path.js';
import type { DitConfig } from '../network/dit-config.js';
import type { NetworkKind } from '../network/network.js';
import type { SimpleConfig } from '../network/simple.js';
import type { Unet2dConfig } from '../network/unet2d-config.js';
import { byOwnNames } from './field-names.js';
import { settingsOf } from './settings-of.js';
import { asProgram, asProgramNow } from './spelling.js';

/** Settings of the network; those of other networks are refused. */
export interface NetworkSettings
  extends Partial<Omit<SimpleConfig, 'kind'>>,
    Partial<Omit<Unet2dConfig, 'kind' | 'channels' | 'widths' | 'timeDim' | 'headDim' | UpAndDown>>,
    Partial<Pick<DitConfig, 'depth' | 'patch' | 'baseSize'>> {
  /** The walk-through's U-Net, or diffusers' UNet2DModel or DiTTransformer2DModel. Default `simple`. E.g. `network: 'unet2d'`. */
  readonly network?: NetworkKind;
  /** diffusers' config.json of a UNet2DModel or DiTTransformer2DModel. Default none. E.g. `networkConfig: 'unet/config.json'`. */
  readonly networkConfig?: string;
  /** Image sizes of the levels with attention, in pixels. Default that of the last level. E.g. `attention: [16, 8]`. */
  readonly attention?: readonly number[];
  /** Channels per attention head; `all`, for `unet2d`, is one head. Default 8, for `dit` 64, or the largest divisor of the channels below that. E.g. `headDim: 64`. */
  readonly headDim?: number | 'all';
  /** The flag's name for `layers`. Default 2. E.g. `layersPerBlock: 1`. */
  readonly layersPerBlock?: number;
  /** The flag's name for `eps`. Default 1e-5. E.g. `normEps: 1e-6`. */
  readonly normEps?: number;
}
type UpAndDown = 'downAttention' | 'upAttention';

/** Settings of a run. Each is the flag of `haze train` with the same name, and its default. */
export interface RunSettings
  extends NetworkSettings,
    Partial<DiffusionConfig>,
    Partial<Omit<DataConfig, 'source' | 'heldOut' | 'classes'>>,
    Partial<Omit<TrainingConfig, 'clip' | 'keepGuide'>>,
    Partial<ComputingConfig> {
  /**
   * Where the images' classes come from: subfolders, labels in an IDX or CIFAR file or of a program's images, bodies of toy-cars,
   * or `auto`, whichever the data have. Default none. Needs `network: 'unet2d'` or `'dit'`; a share of the images, `labelDropout`, is trained without.
   * E.g. `classes: 'folders'`.
   */
  readonly classes?: 'auto' | ClassKind;
  /**
   * Weights of the loss by timestep: `min-snr`, with `snrGamma` 5 by default, or a function. A function is evaluated once,
   * into `lossWeights`, which config.json keeps. Default `none`. E.g. `weighting: ({ snr }) => 1 / (1 + snr)`.
   */
  readonly weighting?: 'none' | 'min-snr' | LossWeighting;
  /**
   * Largest global norm of the gradients, to which larger ones are scaled; `none` turns off a preset's clipping.
   * Default the preset's, or none. E.g. `clip: 1`.
   */
  readonly clip?: number | 'none' | null;
  /**
   * Share of the steps after which the weights are kept as a guide for sampling; from 1 on, the number of steps, at most a
   * quarter of all; `none` turns off a preset's.
   * Default the preset's, or none. E.g. `keepGuide: 0.3`.
   */
  readonly keepGuide?: number | 'none' | null;
  /**
   * Learn to draw in `studentSteps` what this model draws in `teacherSteps`: a run, a checkpoint of one or a diffusers folder, which
   * gives the network, the first weights and the forward process. Default none. E.g. `teacher: 'runs/1'`.
   */
  readonly teacher?: string;
  /** Reverse steps that a run with a teacher learns to draw in. Default 4. E.g. `studentSteps: 2`. */
  readonly studentSteps?: number;
  /** The teacher's reverse steps, a multiple of `studentSteps`. Default 8 for each of them. E.g. `teacherSteps: 32`. */
  readonly teacherSteps?: number;
  /** W of the teacher's own guide, or of its classes; 1: not guided. Default 1.5 with a guide that its run kept, else 1. E.g. `teacherGuidance: 2`. */
  readonly teacherGuidance?: number;
  /**
   * A complete set-up, listed in `PRESETS`; settings override it. Default `reference`, for `unet2d` `unet2d-32`, for `dit` `dit-32`.
   * E.g. `preset: 'small'`.
   */
  readonly preset?: PresetName;
  /** Size of the square images, in pixels. Default the preset's. E.g. `size: 32`. */
  readonly size?: number;
  /** Key of all random numbers. Default 0. E.g. `seed: 7`. */
  readonly seed?: number;
  /**
   * Held-out images: a separate folder or file, a share of the data between 0 and 1, or images as arrays, which are also passed to
   * `train`, which reads them. Default none. E.g. `heldOut: 0.1`.
   */
  readonly heldOut?: string | number | GivenImages;
}

export interface RunOptions extends RunSettings {
  /**
   * A folder of images, an IDX file, a CIFAR binary file, an array of images (`.npz`, `.npy`, `.safetensors`), or `toy-cars`, which Haze
   * draws; or images as arrays, which are also passed to `train`, which reads them. E.g. `data: 'photos'`.
   */
  readonly data: string | GivenImages;
}

/**
 * The configuration of a new run, for `train`.
 * @throws UsageError naming the setting, with what was expected and what was given.
 */
export const runConfig = (options: RunOptions): RunConfig =>
  asProgramNow('runConfig', () => {
    const { data, ...settings } = settingsOf('runConfig', options);
    const named = nameOf('runConfig', data);
    return readWeighted('runConfig', settings, (source) => newRunConfig(named, source));
  });

/**
 * The configuration of the run in the folder `out` with changes, for `train` with `resume`. Only `steps`, `epochs`,
 * `threads`, `device`, `strict`, `wide`, `saveEvery`, `sampleEvery` and `keep` may change.
 * @throws UsageError for another change, and if there is no run.
 */
export const resumeConfig = (out: string, changes: Partial<RunOptions> = {}): Promise<RunConfig> =>
  asProgram('resumeConfig', async () => {
    const folder = 'the folder of a run';
    requirePath('resumeConfig', out, folder);
    const { data, ...settings } = settingsOf('resumeConfig', changes);
    const named = data === undefined ? undefined : nameOf('resumeConfig', data);
    const run = await readRunIn(out, `resumeConfig: expected ${folder}`);
    return readWeighted('resumeConfig', settings, (source) =>
      resumedRunConfig(out, run, named, source),
    );
  });

/** The name of the data in a config. */
function nameOf(where: string, data: unknown): string {
  if (typeof data === 'string' && data !== '') return data;
  if (isIterable(data)) return GIVEN;
  const got = data === '' ? 'nothing' : typeof data;
  throw new UsageError(
    `${where}.data: expected a folder of images, a data file, toy-cars or a list of images, got ${got}`,
  );
}

/** Reads settings whose weighting may be a function; its table depends on the others. */
function readWeighted(
  where: string,
  { weighting, ...rest }: RunSettings,
  make: (source: JsonObject) => RunConfig,
): RunConfig {
  if (typeof weighting !== 'function')
    return read(where, { ...rest, ...(weighting && { weighting }) }, make);
  const { diffusion } = read(where, rest, make);
  const lossWeights = makeLossWeights(`${where}.weighting`, weighting, makeSchedule(diffusion));
  return read(where, { ...rest, lossWeights }, make);
}

/** The name of held-out images in a config. */
function nameOfAside(where: string, heldOut: unknown): string {
  if (typeof heldOut === 'string' || typeof heldOut === 'number') return String(heldOut);
  if (isIterable(heldOut)) return GIVEN;
  throw new UsageError(
    `${where}.heldOut: expected a folder, a fraction above 0 and below 1 or a list of images, got ${quote(heldOut)}`,
  );
}

/** Reads settings like a config.json, with every field optional and unknown ones refused. */
function read<T>(
  where: string,
  { heldOut, ...rest }: RunSettings,
  make: (source: JsonObject) => T,
): T {
  const aside = heldOut === undefined ? {} : { heldOut: nameOfAside(where, heldOut) };
  const source = new JsonObject(where, byOwnNames(where, { ...rest, ...aside }), 'all');
  const config = make(source);
  source.finish();
  return config;
}
