/** Which figures belong to what is given. */
import { UsageError } from '../errors.js';
import type { EvaluateOptions } from './options.js';

type Given = Pick<
  EvaluateOptions,
  'subject' | 'reference' | 'features' | 'saveStatistics' | 'heldOut' | 'nearest'
>;

/** Whether the samples are looked at at all. */
export const needsSamples = ({ reference, saveStatistics }: Given): boolean =>
  reference !== null || saveStatistics !== null;

/** Whether pictures are held against pictures. */
export const comparesImages = ({ subject, reference }: Given): boolean =>
  subject.kind !== 'statistics' && reference?.kind === 'images';

/** @throws UsageError for what computes nothing, and for what belongs to something else */
export function checkEvaluation(options: Given): void {
  const { subject, reference, features, saveStatistics, heldOut, nearest } = options;
  if (!needsSamples(options) && heldOut === null)
    throw new UsageError(
      `--reference: expected images or statistics to compare ${subject.name} with, or --held-out or --save-statistics, got none of them`,
    );
  if (heldOut !== null && subject.kind !== 'model')
    throw new UsageError(`--held-out: belongs to a model; ${subject.name} holds ${subject.kind}`);
  if (heldOut !== null && subject.kind === 'model' && subject.diffusion.objective === 'flow')
    throw new UsageError(
      `--held-out: has no bound for a model of flow, which ${subject.name} is; it has one for epsilon, x0 and v`,
    );
  if (saveStatistics !== null && subject.kind === 'statistics')
    throw new UsageError(
      `--save-statistics: belongs to images; ${subject.name} holds statistics already`,
    );
  if (nearest !== null && !comparesImages(options))
    throw new UsageError(
      '--nearest: needs the images of both sets, and statistics have none; give --reference as images',
    );
  const kinds = [subject.kind, ...(reference ? [reference.kind] : [])];
  const ofStatistics = kinds.filter((kind) => kind === 'statistics').length;
  if (features && ofStatistics === kinds.length)
    throw new UsageError(
      '--features: both sets are statistics already; there are no images to take features of',
    );
  if (features && !needsSamples(options))
    throw new UsageError(
      '--features: belongs to --reference or --save-statistics; neither is given',
    );
  if (!features && ofStatistics > 0 && ofStatistics < 2)
    throw new UsageError(
      `--features: needed to compare images with statistics; give the network that ${subject.kind === 'statistics' ? subject.name : reference!.name} was computed by`,
    );
}
