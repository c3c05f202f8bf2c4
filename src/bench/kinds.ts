import type { LayerTime, TimedKind } from '../engine/network/layer-times.js';
import { peakShare } from './peak-share.js';

/** All rows of one kind added up. */
export interface KindTime {
  readonly kind: TimedKind;
  readonly ms: number;
  /** Like `peakShare`, for the kind's total time. */
  readonly ofPeak: number | null;
}

/** Times by kind, longest first: a network has too many layers to read one by one. */
export function byKind(layers: readonly LayerTime[], peak: number): KindTime[] {
  const kinds = [...new Set(layers.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const rows = layers.filter((layer) => layer.kind === kind);
      const ms = rows.reduce((sum, row) => sum + row.ms, 0);
      const shares = rows.map((row) => peakShare(row, peak));
      const products = rows.reduce((sum, row, i) => sum + row.ms * (shares[i] ?? 0), 0);
      return { kind, ms, ofPeak: products > 0 ? products / ms : null };
    })
    .sort((a, b) => b.ms - a.ms);
}
