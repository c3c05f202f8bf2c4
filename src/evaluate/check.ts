/** Checks which figures are possible with the given sets. */
import { UsageError } from '../errors.js';
import type { EvaluateOptions } from './options.js';
import { SMALLEST } from './pyramid.js';

type Given = Pick<
  EvaluateOptions,
  'subject' | 'reference' | 'features' | 'saveStatistics' | 'heldOut' | 'nearest' | 'patchImages'
>;

/** Whether any samples are needed. */
export const needsSamples = ({ reference, saveStatistics }: Given): boolean =>
  reference !== null || saveStatistics !== null;

/** Whether images are compared with images. */
export const comparesImages = ({ subject, reference }: Given): boolean =>
  subject.kind !== 'statistics' && reference?.kind === 'images';

/** @throws UsageError if nothing would be computed, and for an option that does not apply */
export function checkEvaluation(options: Given): void {
  const { subject, reference, features, saveStatistics, heldOut, nearest } = options;
  if (!needsSamples(options) && heldOut === null)
    throw new UsageError(
      `--reference: expected images or statistics to compare ${subject.name} with, or --held-out or --save-statistics, got none of them`,
    );
  if (heldOut !== null && subject.kind !== 'model')
    throw new UsageError(`--held-out: needs a model; ${subject.name} holds ${subject.kind}`);
  if (heldOut !== null && subject.kind === 'model' && subject.diffusion.objective === 'flow')
    throw new UsageError(
      `--held-out: there is no bound for a flow model such as ${subject.name}; expected epsilon, x0 or v`,
    );
  if (features && needsSamples(options) && subject.kind === 'model' && subject.count < 2)
    throw new UsageError(
      `--count: expected 2 or more, since features of one image have no covariance, got ${subject.count}`,
    );
  if (saveStatistics !== null && subject.kind === 'statistics')
    throw new UsageError(
      `--save-statistics: needs images; ${subject.name} already holds statistics`,
    );
  if (nearest !== null && !comparesImages(options))
    throw new UsageError(
      '--nearest: needs the images of both sets, and statistics have none; give images as --reference',
    );
  const kinds = [subject.kind, ...(reference ? [reference.kind] : [])];
  const ofStatistics = kinds.filter((kind) => kind === 'statistics').length;
  if (features && ofStatistics === kinds.length)
    throw new UsageError(
      '--features: both sets are already statistics; there are no images to compute features of',
    );
  if (features && !needsSamples(options))
    throw new UsageError(
      '--features: belongs to --reference or --save-statistics; neither is given',
    );
  if (!features && ofStatistics > 0 && ofStatistics < 2)
    throw new UsageError(
      `--features: needed to compare images with statistics; give the network that ${subject.kind === 'statistics' ? subject.name : reference!.name} was computed with`,
    );
}

/** @throws UsageError if images are compared at a size at which there is no figure to compute */
export function checkFigures(options: Given, size: number): void {
  const { features, heldOut, nearest, patchImages } = options;
  if (!comparesImages(options) || features || heldOut !== null || nearest !== null) return;
  const others = 'or --features, --nearest or (of a model) --held-out';
  const none = 'and none of them; nothing would be computed';
  if (size < SMALLEST)
    throw new UsageError(
      `--size: expected ${SMALLEST} pixels or more, which the sliced Wasserstein distance needs, ${others}, got ${size} ${none}`,
    );
  if (patchImages === 0)
    throw new UsageError(
      `--patch-images: expected 1 or more for the sliced Wasserstein distance, ${others}, got 0 ${none}`,
    );
}
