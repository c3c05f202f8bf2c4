/** Where a program's time goes, as the cells of tables: on the terminal and in Markdown. */
import type { LayerTime } from '../engine/network/layer-times.js';
import { byKind } from './kinds.js';
import { type LimitShares, type Limits, limitShares } from './limit-shares.js';

/** A header and rows of cells; all columns but the first `words` are numbers. */
export interface Cells {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly words: number;
}

const SHARES = ['of the peak', 'of bandwidth'];

/** A row for each kind, longest first. */
export function kindCells(limits: Limits, layers: readonly LayerTime[]): Cells {
  const total = totalOf(layers);
  return {
    head: ['kind', 'ms', 'of all', ...SHARES],
    rows: byKind(layers, limits).map(({ kind, ms, ...shares }) => [
      ...[kind, ms.toFixed(2), percent(ms / total), ...sharesOf(shares)],
    ]),
    words: 1,
  };
}

/** A row for each layer, or pass of a layer, of a program that takes `total` milliseconds. */
export function layerCells(
  limits: Limits,
  layers: readonly LayerTime[],
  total = totalOf(layers),
): Cells {
  return {
    head: ['layer', 'pass', 'algorithm', 'ms', 'of all', 'GFLOP/s', 'GB/s', ...SHARES],
    rows: layers.map((time) => {
      const { layer, pass, algorithm, ms, gflops, bytes } = time;
      return [
        ...[layer, pass ?? '', algorithm ?? '', ms.toFixed(2), percent(ms / total)],
        ...[gflops?.toFixed(0) ?? '', bytes === null ? '' : (bytes / ms / 1e6).toFixed(1)],
        ...sharesOf(limitShares(time, limits)),
      ];
    }),
    words: 3,
  };
}

/** The limits as text. */
export const limitsText = ({ peak, bandwidth }: Limits): string =>
  `the micro-kernel reaches ${peak.toFixed(0)} GFLOP/s, memory ${bandwidth.toFixed(0)} GB/s`;

export const totalOf = (layers: readonly LayerTime[]): number =>
  layers.reduce((sum, { ms }) => sum + ms, 0);

const sharesOf = ({ ofPeak, ofBandwidth }: LimitShares): string[] =>
  [ofPeak, ofBandwidth].map((share) => (share === null ? '' : percent(share)));

const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
