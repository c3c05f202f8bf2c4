import type { LayerTime, TimedKind } from '../engine/network/layer-times.js';
import { peakShare } from './peak-share.js';

/** All rows of one kind together. */
export interface KindTime {
  readonly kind: TimedKind;
  readonly ms: number;
  /** As `peakShare`, of the kind's time in all. */
  readonly ofPeak: number | null;
}

/** Times by kind, the longest first: a network has more layers than one can take in. */
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
