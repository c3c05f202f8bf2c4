/** `haze evaluate` for programs: figures of images and models. */
import { JsonObject } from '../config/json.js';
import { SAMPLING_SETTINGS } from '../config/sampling.js';
import { type GivenImages, isIterable } from '../data/given.js';
import { evaluate as evaluateOptions } from '../evaluate/evaluate.js';
import type { EvaluateEvent, Evaluation } from '../evaluate/options.js';
import { readEvaluateOptions } from '../evaluate/read-options.js';
import { requirePath } from '../io/require-path.js';
import { type DrawSettings, MODEL, split } from './draw.js';
import { byOwnNames } from './field-names.js';
import { settingsOf } from './settings-of.js';
import { asProgram } from './spelling.js';

/** What to compute. The settings are the flags of `haze evaluate`, with the flags' defaults. */
export interface EvaluateSettings extends DrawSettings<EvaluateEvent> {
  /** Images to compare with (a folder, an array, a data file), or a `.npz` of statistics. Default none. E.g. `reference: 'photos'`. */
  readonly reference?: string;
  /** Size in pixels at which images are compared. Default the samples' own. For bare weights it is also the model's. E.g. `size: 64`. */
  readonly size?: number;
  /** Make images square by stretching or by cropping. Default `squash`. E.g. `fit: 'crop'`. */
  readonly fit?: 'squash' | 'crop';
  /** Samples to draw from a model. Default 1000. E.g. `count: 5000`. */
  readonly count?: number;
  /** Largest number of images of each set for the sliced Wasserstein distance; 0 skips it. Default 512. E.g. `patchImages: 0`. */
  readonly patchImages?: number;
  /** Path for a picture of samples beside the nearest images of the reference. Default none. E.g. `nearest: 'page.png'`. */
  readonly nearest?: string;
  /** Samples on that page. Default 16. E.g. `nearestSamples: 8`. */
  readonly nearestSamples?: number;
  /** Feature network in an ONNX file; needs the package onnxruntime-node. Default none. E.g. `features: 'inception.onnx'`. */
  readonly features?: string;
  /** Name of its output. Default the only one. E.g. `featureOutput: 'pool'`. */
  readonly featureOutput?: string;
  /** Image size of its input in pixels. Default what the file says, else 299. E.g. `featureSize: 224`. */
  readonly featureSize?: number;
  /** Channels first or last. Default what the file says, else first. E.g. `featureLayout: 'nhwc'`. */
  readonly featureLayout?: 'nchw' | 'nhwc';
  /** What the bytes 0 and 255 are mapped to. Default `[-1, 1]`, as Inception expects. E.g. `featureRange: [0, 1]`. */
  readonly featureRange?: readonly [number, number];
  /** Subtracted after that, for red, green and blue. Default `[0, 0, 0]`. E.g. `featureMean: [0.485, 0.456, 0.406]`. */
  readonly featureMean?: readonly [number, number, number];
  /** Divided by after that. Default `[1, 1, 1]`. E.g. `featureDeviation: [0.229, 0.224, 0.225]`. */
  readonly featureDeviation?: readonly [number, number, number];
  /** Filter for scaling to the network's size. Default `bicubic`. E.g. `featureFilter: 'bilinear'`. */
  readonly featureFilter?: 'bicubic' | 'bilinear';
  /** Largest number of images of each set for pairwise comparison. Default 5000. E.g. `pairImages: 1000`. */
  readonly pairImages?: number;
  /** Random subsets for the uncertainty of the kernel distance. Default 100. E.g. `kernelSubsets: 10`. */
  readonly kernelSubsets?: number;
  /** Images per subset. Default 1000. E.g. `kernelSubsetSize: 100`. */
  readonly kernelSubsetSize?: number;
  /** Neighbour that sets the radius of the balls of precision and recall. Default 3. E.g. `neighbours: 5`. */
  readonly neighbours?: number;
  /** Path for mean and covariance of the samples' features, in pytorch-fid's format. Default none. E.g. `saveStatistics: 'stats.npz'`. */
  readonly saveStatistics?: string;
  /**
   * Images that the model was not trained on, by path or as arrays, with labels if it is class-conditional: loss by timestep, and bits per
   * dimension (none of a model of latents, whose losses are of these images' latents). Default none. E.g. `heldOut: 'others'`.
   */
  readonly heldOut?: string | GivenImages;
  /** How many of them. Default 64. E.g. `heldOutImages: 16`. */
  readonly heldOutImages?: number;
}

/**
 * Evaluates a model (by samples that it draws), images, or feature statistics.
 * @example `const { frechet } = await evaluate('cars.npz', { reference: 'photos', features: 'inception.onnx' });`
 * @throws UsageError for a subject that cannot be evaluated this way, and for invalid settings; RunError; Interrupted
 */
export const evaluate = (subject: string, settings: EvaluateSettings = {}): Promise<Evaluation> =>
  asProgram('evaluate', () => measure(subject, settingsOf('evaluate', settings)));

async function measure(subject: string, settings: EvaluateSettings): Promise<Evaluation> {
  requirePath('evaluate', subject, `images, statistics of features, or ${MODEL}`);
  const { requireCuda, signal, onEvent, heldOut, ...given } = settings;
  const images = isIterable(heldOut) ? (heldOut as GivenImages) : undefined;
  const named = images || heldOut === undefined ? {} : { heldOut };
  const [draw, rest] = split({ ...given, ...named }, SAMPLING_SETTINGS);
  const source = new JsonObject('evaluate', byOwnNames('evaluate', rest), 'all');
  const sampling = new JsonObject('evaluate', draw, 'all');
  const options = await readEvaluateOptions(subject, source, sampling, images !== undefined);
  // A run's weights do not need the settings for bare ones, but these are still read.
  source.finish();
  return evaluateOptions({
    ...options,
    ...(images && { heldOut: images }),
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  });
}
