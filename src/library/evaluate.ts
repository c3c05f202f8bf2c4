/** Figures of images and models, for programs: what `haze evaluate` does. */
import { JsonObject } from '../config/json.js';
import { SAMPLING_SETTINGS } from '../config/sampling.js';
import { evaluate as evaluateOptions } from '../evaluate/evaluate.js';
import type { EvaluateEvent, Evaluation } from '../evaluate/options.js';
import { readEvaluateOptions } from '../evaluate/read-options.js';
import { type DrawSettings, split } from './draw.js';
import { asProgram, telling } from './spelling.js';

/** What to compute. The settings are the flags of `haze evaluate`; what is left out has the flag's default. */
export interface EvaluateSettings extends DrawSettings<EvaluateEvent> {
  /** Images to compare with (a folder, an array, a data file), or a `.npz` of statistics. */
  readonly reference?: string;
  /** Side in pixels at which images are compared; default the samples' own. Of bare weights it is the model's. */
  readonly size?: number;
  /** Make other images square by stretching or by cutting; default `squash`. */
  readonly fit?: 'squash' | 'crop';
  /** Samples to draw of a model; default 1000. */
  readonly count?: number;
  /** Images of each set for the sliced Wasserstein distance, at most; 0 leaves it out; default 512. */
  readonly patchImages?: number;
  /** A picture of samples beside the images of the reference that lie nearest: `page.png`. */
  readonly nearest?: string;
  /** Samples on that page; default 16. */
  readonly nearestSamples?: number;
  /** A network in an ONNX file whose output is taken for features; needs the package onnxruntime-node. */
  readonly features?: string;
  /** The output by name; default the only one. */
  readonly featureOutput?: string;
  /** Side of the network's images in pixels; default what the file says, else 299. */
  readonly featureSize?: number;
  /** Channels first or last; default what the file says, else first. */
  readonly featureLayout?: 'nchw' | 'nhwc';
  /** What the bytes 0 and 255 become; default `[-1, 1]`, as Inception takes them. */
  readonly featureRange?: readonly [number, number];
  /** Taken off after that, of red, green and blue; default `[0, 0, 0]`. */
  readonly featureMean?: readonly [number, number, number];
  /** Divided by after that; default `[1, 1, 1]`. */
  readonly featureDeviation?: readonly [number, number, number];
  /** Filter of the scaling to the network's side; default `bicubic`. */
  readonly featureFilter?: 'bicubic' | 'bilinear';
  /** Images of each set that are compared pair by pair, at most; default 5000. */
  readonly pairImages?: number;
  /** Random subsets of the kernel distance; default 100. */
  readonly kernelSubsets?: number;
  /** Images of each; default 1000. */
  readonly kernelSubsetSize?: number;
  /** Neighbour that the balls of precision and recall reach to; default 3. */
  readonly neighbours?: number;
  /** Where mean and covariance of the samples' features go, as pytorch-fid writes them: `stats.npz`. */
  readonly saveStatistics?: string;
  /** Images that the model was not trained on: loss by timestep, and bits a dimension. */
  readonly heldOut?: string;
  /** How many of them; default 64. */
  readonly heldOutImages?: number;
}

/**
 * Evaluates a model (by samples that it draws), images, or statistics of features.
 * @example `const { frechet } = await evaluate('cars.npz', { reference: 'photos', features: 'inception.onnx' });`
 * @throws UsageError for what cannot be evaluated so, and settings that cannot be; RunError; Interrupted
 */
export const evaluate = (subject: string, settings: EvaluateSettings = {}): Promise<Evaluation> =>
  asProgram('evaluate', () =>
    measure(subject, { ...settings, ...telling('evaluate', settings.onEvent) }),
  );

async function measure(subject: string, settings: EvaluateSettings): Promise<Evaluation> {
  const { requireCuda, signal, onEvent, ...given } = settings;
  const [draw, rest] = split(given, SAMPLING_SETTINGS);
  const source = new JsonObject('evaluate', rest, 'all');
  const sampling = new JsonObject('evaluate', draw, 'all');
  const options = await readEvaluateOptions(subject, source, sampling);
  // Weights that a run describes need no settings for bare ones, which are read all the same.
  source.finish();
  return evaluateOptions({
    ...options,
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  });
}
