import type { FeatureDescription } from '../evaluate/feature-network.js';
import type { KernelDistance } from '../evaluate/kernel-distance.js';
import type { EvaluateOptions, Evaluation, SetSummary } from '../evaluate/options.js';
import { printable } from '../printable.js';
import { grouped, plural, significant } from '../units.js';
import { table } from './text.js';

/** The figures for the terminal, each with what it was computed from. */
export function evaluationAsText(
  evaluation: Evaluation,
  options: Pick<EvaluateOptions, 'subject' | 'nearest' | 'saveStatistics'>,
): string {
  const { samples, reference, features, seed } = evaluation;
  const { nearest, saveStatistics } = options;
  const about: [string, string][] = [
    ...(samples ? [['samples', `${setText(samples)}, seed ${seed}`] as [string, string]] : []),
    ...(reference ? [['reference', setText(reference)] as [string, string]] : []),
    ...(features ? [['features', featureText(features)] as [string, string]] : []),
  ];
  return [
    table(about),
    table(figures(evaluation)),
    nearest === null ? '' : nearestText(nearest, evaluation),
    saveStatistics === null
      ? ''
      : `${printable(saveStatistics)}: mean and covariance of the samples' features\n`,
    likelihoodText(evaluation),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function setText({ name, images, size, scaled }: SetSummary): string {
  if (images === null) return `${name}: statistics`;
  return `${name}: ${plural(images, 'image')} at ${size}x${size}${scaled === null ? '' : `, scaled ${scaled}`}`;
}

function featureText({ file, output, features, input }: FeatureDescription): string {
  const { size, channels, layout, range, mean, deviation, filter } = input;
  const shift = mean.some((m) => m !== 0) || deviation.some((d) => d !== 1);
  const normal = shift ? `, less ${mean.join(', ')}, over ${deviation.join(', ')}` : '';
  return `${file}: ${grouped(features)} of ${output}, from ${size}x${size}x${channels} ${layout} (${filter}, antialiased), bytes as ${range.join(' to ')}${normal}`;
}

function figures({
  frechet,
  kernel,
  coverage,
  pairs,
  slicedWasserstein,
}: Evaluation): [string, string, string][] {
  const rows: [string, string, string][] = [];
  if (frechet !== null) rows.push(['Fréchet distance', figure(frechet), '']);
  const of = pairs && `of ${grouped(pairs.samples)} and ${grouped(pairs.reference)} images`;
  if (kernel) {
    const { mean } = kernel;
    rows.push(['kernel distance, times 1,000', figure(1000 * kernel.all), of!]);
    rows.push(['  over subsets', figure(1000 * mean), subsetText(kernel, pairs!)]);
  }
  if (coverage) {
    rows.push(['precision', coverage.precision.toFixed(4), `k = ${coverage.neighbours}, ${of}`]);
    rows.push(['recall', coverage.recall.toFixed(4), '']);
  }
  if (slicedWasserstein) {
    const { levels, mean, images } = slicedWasserstein;
    const each = levels.map(({ side, distance }) => `${side}: ${figure(distance)}`).join(', ');
    rows.push([
      'sliced Wasserstein distance, times 1,000',
      figure(mean),
      `${each}; of ${plural(images, 'image')} each`,
    ]);
  }
  return rows;
}

/** Without the deviation if every subset is the same: it would say that the distance is certain. */
function subsetText(
  { deviation, subsets, subsetSize }: KernelDistance,
  { samples, reference }: NonNullable<Evaluation['pairs']>,
): string {
  if (Math.max(samples, reference) <= subsetSize)
    return `each of the ${plural(subsets, 'subset')} is all ${grouped(subsetSize)} images, so there is no deviation`;
  return `±${figure(1000 * deviation)} (${plural(subsets, 'subset')} of ${grouped(subsetSize)})`;
}

/** Distances between equal sets are 0, or rounding errors around it. */
const figure = (value: number): string =>
  value === 0 ? '0' : Math.abs(value) < 1e-6 ? value.toExponential(1) : significant(value, 4);

function nearestText(path: string, { nearest }: Evaluation): string {
  if (!nearest) return '';
  const [closest] = nearest
    .flatMap(({ sample, neighbours: [first] }) => (first ? [{ sample, ...first }] : []))
    .sort((a, b) => a.distance - b.distance);
  const rows = `${printable(path)}: ${plural(nearest.length, 'sample')}, each beside the nearest images of the reference\n`;
  if (!closest) return rows;
  const { sample, name, distance, mirrored } = closest;
  return `${rows}closest: sample ${sample} and ${printable(name)}${mirrored ? ', mirrored' : ''}, ${distance.toFixed(2)} of 255 apart (root mean square)\n`;
}

function likelihoodText({ likelihood, seed }: Evaluation): string {
  if (!likelihood) return '';
  const { name, images, timesteps, terms } = likelihood;
  const quarters = table(
    [
      ['timesteps', 'l1', 'l2', 'huber', ...(terms ? ['bits'] : [])],
      ...[0, 1, 2, 3].flatMap((quarter) => {
        const [begin, end] = [quarter, quarter + 1].map((q) => Math.floor((q * timesteps) / 4));
        if (begin === end) return [];
        const part = (list: readonly number[]) => list.slice(begin, end);
        const mean = (list: readonly number[]) => significant(sum(part(list)) / (end! - begin!), 4);
        const { l1, l2, huber } = likelihood.losses;
        return [
          [
            `${begin} to ${end! - 1}`,
            ...[l1, l2, huber].map(mean),
            ...(terms ? [significant(sum(part(terms)), 4)] : []),
          ],
        ];
      }),
    ],
    [1, 2, 3, 4],
  );
  return (
    `held out  ${printable(name)}: ${plural(images, 'image')} at each of ${plural(timesteps, 'timestep')}, seed ${seed}\n\n${quarters}\n` +
    `${boundText(likelihood)}\n`
  );
}

function boundText({
  bitsPerDim,
  standardError,
  prior,
  variance,
}: NonNullable<Evaluation['likelihood']>): string {
  if (bitsPerDim === null || prior === null)
    return 'losses of latents; bits per dimension are those of bytes, which latents are not';
  const error = standardError === null ? '' : ` ±${significant(standardError, 2)}`;
  return `bits per dimension, at most: ${significant(bitsPerDim, 4)}${error} (x_0 clamped, variance ${variance}; ${prior.toExponential(1)} of it the prior's)`;
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
