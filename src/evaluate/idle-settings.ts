/** Settings of an evaluation that have no effect without others: nobody means them. */
import { SAMPLING_SETTINGS } from '../config/sampling.js';
import type { Source } from '../config/source.js';
import { UsageError } from '../errors.js';
import { comparesImages, needsSamples } from './check.js';
import type { EvaluateOptions } from './options.js';

type Given = Pick<
  EvaluateOptions,
  'subject' | 'reference' | 'features' | 'saveStatistics' | 'heldOut' | 'nearest' | 'patchImages'
>;

/** Settings of a kind, and what they need. */
type Needing = readonly [settings: readonly string[], met: (given: Given) => boolean, need: string];

const BOTH = 'needs the images of both sets; with statistics there are none';

/** Settings of pairs of images. */
const OF_PAIRS = ['pairImages', 'kernelSubsets', 'kernelSubsetSize', 'neighbours'];

const NEEDING: readonly Needing[] = [
  [
    ['heldOutImages'],
    ({ heldOut }) => heldOut !== null,
    'belongs to --held-out, which is not given',
  ],
  [
    ['nearestSamples'],
    ({ nearest }) => nearest !== null,
    'belongs to --nearest, which is not given',
  ],
  [OF_PAIRS, hasReference, 'belongs to --reference, which is not given'],
  [OF_PAIRS, comparesImages, BOTH],
  // 0 skips what others make impossible.
  [
    ['patchImages'],
    (given) => given.patchImages === 0 || hasReference(given),
    'belongs to --reference, which is not given',
  ],
  [['patchImages'], (given) => given.patchImages === 0 || comparesImages(given), BOTH],
  [
    ['size', 'fit'],
    ({ subject, reference }) => subject.kind !== 'statistics' || reference?.kind === 'images',
    'scales images, and statistics have none',
  ],
];

function hasReference({ reference }: Given): boolean {
  return reference !== null;
}

/** Settings of samples that also matter to a likelihood, of pixels: the variance, and the sampler that has one. */
const OF_LIKELIHOOD = ['variance'];

/** @throws UsageError naming a given setting without an effect */
export function refuseIdleSettings(settings: Source, sampling: Source, given: Given): void {
  for (const [names, met, need] of NEEDING)
    for (const name of names)
      if (settings.has(name) && !met(given))
        throw new UsageError(`${settings.where(name)}: ${need}`);
  const { subject } = given;
  if (subject.kind === 'model' && !needsSamples(given))
    refuseSampling(settings, sampling, subject.autoencoder ? [] : OF_LIKELIHOOD);
}

/** @throws UsageError for settings of samples, beside the free ones, if none are drawn */
function refuseSampling(settings: Source, sampling: Source, others: readonly string[]): void {
  const hasOther = others.some((name) => sampling.has(name));
  const free = hasOther ? [...others, 'sampler'] : others;
  const idle = SAMPLING_SETTINGS.find((name) => sampling.has(name) && !free.includes(name));
  const where = settings.has('count')
    ? settings.where('count')
    : idle === undefined
      ? undefined
      : sampling.where(idle);
  if (where !== undefined)
    throw new UsageError(`${where}: no samples are drawn without --reference or --save-statistics`);
}
