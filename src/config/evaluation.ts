/** The settings of `haze evaluate`. */
import { UsageError } from '../errors.js';
import type { Fit } from './config.js';
import type { Flags } from './flag.js';
import type { Source } from './source.js';
import { readFit } from './training.js';

/** A feature network in a file, and how its input is prepared. */
export interface FeatureConfig {
  readonly file: string;
  /** Image size of its input; null: what the file says, else Inception's 299. */
  readonly size: number | null;
  /** Channels first or last; null: what the shape in the file says, else first. */
  readonly layout: 'nchw' | 'nhwc' | null;
  /** What the bytes 0 and 255 are mapped to. */
  readonly range: readonly [number, number];
  /** Then (value − mean)/deviation, by channel. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly filter: 'bicubic' | 'bilinear';
  /** Null: the only output. */
  readonly output: string | null;
}

/** Which figures to compute, on how many images. */
export interface EvaluationConfig {
  readonly features: FeatureConfig | null;
  /** Size at which images are compared; null: the samples' own. */
  readonly size: number | null;
  readonly fit: Fit;
  /** Largest number of images of each set for pairwise comparison. */
  readonly pairImages: number;
  readonly kernelSubsets: number;
  readonly kernelSubsetSize: number;
  /** k of precision and recall. */
  readonly neighbours: number;
  /** Largest number of images of each set whose patches are compared; 0: none. */
  readonly patchImages: number;
  /** Path of the page of nearest images, and the number of samples on it. */
  readonly nearest: string | null;
  readonly nearestSamples: number;
  /** Largest number of images whose likelihood is bounded. */
  readonly heldOutImages: number;
  /** Path for mean and covariance of the samples' features. */
  readonly saveStatistics: string | null;
}

/** Defaults of the settings that have one whatever the images and the file. */
const USUAL = {
  fit: 'squash',
  patchImages: 512,
  nearestSamples: 16,
  featureRange: [-1, 1],
  featureMean: [0, 0, 0],
  featureDeviation: [1, 1, 1],
  featureFilter: 'bicubic',
  pairImages: 5000,
  kernelSubsets: 100,
  kernelSubsetSize: 1000,
  neighbours: 3,
  heldOutImages: 64,
} as const;

export const comparisonFlags: Flags = {
  reference: {
    describe: 'Images to compare with, or statistics of their features (a .npz with mu and sigma)',
    value: 'FOLDER|FILE',
  },
  size: {
    describe:
      'Size in pixels at which images are compared; for bare weights the size of their images (default 64)',
    value: 'N',
    default: "the samples' own",
  },
  fit: {
    describe: 'Make images square by stretching or by cropping',
    value: 'squash|crop',
    default: USUAL.fit,
  },
  'patch-images': {
    describe:
      'Largest number of images of each set for the sliced Wasserstein distance; 0 skips it',
    value: 'N',
    default: String(USUAL.patchImages),
  },
  nearest: {
    describe: 'Draw samples beside the nearest images of the reference',
    value: 'FILE.png',
  },
  'nearest-samples': {
    describe: 'Samples on that page',
    value: 'N',
    default: String(USUAL.nearestSamples),
  },
};

export const featureFlags: Flags = {
  features: {
    describe:
      'Feature network, for Fréchet and kernel distance, precision and recall (needs the package onnxruntime-node)',
    value: 'FILE.onnx',
  },
  'feature-output': { describe: 'Name of its output', value: 'NAME', default: 'the only one' },
  'feature-size': {
    describe: 'Image size of its input',
    value: 'N',
    default: 'what the file says, else 299',
  },
  'feature-layout': {
    describe: 'Channels first or last',
    value: 'nchw|nhwc',
    default: 'what the file says, else nchw',
  },
  'feature-range': {
    describe: 'What the bytes 0 and 255 are mapped to',
    value: 'X,X',
    default: String(USUAL.featureRange),
  },
  'feature-mean': {
    describe: 'Subtracted after that, for red, green and blue',
    value: 'X,X,X',
    default: String(USUAL.featureMean),
  },
  'feature-std': {
    describe: 'Divided by after that',
    value: 'X,X,X',
    default: String(USUAL.featureDeviation),
  },
  'feature-resize': {
    describe: 'Filter for scaling to that size, antialiased',
    value: 'bicubic|bilinear',
    default: USUAL.featureFilter,
  },
  'pair-images': {
    describe:
      'Largest number of images of each set for pairwise comparison: kernel distance, precision and recall',
    value: 'N',
    default: String(USUAL.pairImages),
  },
  'kernel-subsets': {
    describe: 'Random subsets for the uncertainty of the kernel distance',
    value: 'N',
    default: String(USUAL.kernelSubsets),
  },
  'kernel-subset-size': {
    describe: 'Images of each',
    value: 'N',
    default: String(USUAL.kernelSubsetSize),
  },
  neighbours: {
    describe: 'Neighbour that sets the radius of the balls of precision and recall',
    value: 'N',
    default: String(USUAL.neighbours),
  },
  'save-statistics': {
    describe: "Write mean and covariance of the samples' features, as pytorch-fid does",
    value: 'FILE.npz',
  },
};

export const likelihoodFlags: Flags = {
  'held-out': {
    describe: 'Images that the model was not trained on: loss by timestep, and bits per dimension',
    value: 'FOLDER|FILE',
  },
  'held-out-images': {
    describe: 'How many of them, chosen by the seed; each takes one pass per timestep',
    value: 'N',
    default: String(USUAL.heldOutImages),
  },
};

/** Settings whose flags have another name. */
export const EVALUATION_NAMES = {
  featureDeviation: 'feature-std',
  featureFilter: 'feature-resize',
};

/** The settings of an evaluation. @throws UsageError for an invalid one */
export function readEvaluation(source: Source): EvaluationConfig {
  return {
    features: readFeatures(source),
    size: source.whole('size', { min: 4, max: 4096 }) ?? null,
    fit: readFit(source) ?? USUAL.fit,
    pairImages: source.whole('pairImages', { min: 2, max: 100_000 }) ?? USUAL.pairImages,
    kernelSubsets: source.whole('kernelSubsets', { min: 1, max: 10_000 }) ?? USUAL.kernelSubsets,
    kernelSubsetSize:
      source.whole('kernelSubsetSize', { min: 2, max: 100_000 }) ?? USUAL.kernelSubsetSize,
    neighbours: source.whole('neighbours', { min: 1, max: 100 }) ?? USUAL.neighbours,
    patchImages: source.whole('patchImages', { min: 0, max: 16_384 }) ?? USUAL.patchImages,
    nearest: source.text('nearest') ?? null,
    nearestSamples: source.whole('nearestSamples', { min: 1, max: 256 }) ?? USUAL.nearestSamples,
    heldOutImages: source.whole('heldOutImages', { min: 1, max: 1_000_000 }) ?? USUAL.heldOutImages,
    saveStatistics: source.text('saveStatistics') ?? null,
  };
}

/** Settings of a feature network, meaningless without one. */
const OF_FEATURES = [
  ...['featureOutput', 'featureSize', 'featureLayout', 'featureRange', 'featureMean'],
  ...['featureDeviation', 'featureFilter', 'pairImages', 'kernelSubsets', 'kernelSubsetSize'],
  ...['neighbours', 'saveStatistics'],
];

function readFeatures(source: Source): FeatureConfig | null {
  const file = source.text('features');
  if (file === undefined) {
    for (const name of OF_FEATURES)
      if (source.has(name))
        throw new UsageError(
          `${source.where(name)}: belongs to ${source.where('features')}, which is not given`,
        );
    return null;
  }
  const range = source.reals('featureRange', {}, 2) ?? USUAL.featureRange;
  const [low, high] = [range[0]!, range[1]!];
  if (low === high)
    throw new UsageError(
      `${source.where('featureRange')}: expected two different numbers, got ${low},${high}`,
    );
  return {
    file,
    size: source.whole('featureSize', { min: 1, max: 4096 }) ?? null,
    layout: source.oneOf('featureLayout', ['nchw', 'nhwc'] as const) ?? null,
    range: [low, high],
    mean: source.reals('featureMean', {}, 3) ?? USUAL.featureMean,
    deviation: source.reals('featureDeviation', { above: 0 }, 3) ?? USUAL.featureDeviation,
    filter: source.oneOf('featureFilter', ['bicubic', 'bilinear'] as const) ?? USUAL.featureFilter,
    output: source.text('featureOutput') ?? null,
  };
}
