import type { LayerTime, TimedKind } from '../engine/network/layer-times.js';
import { type LimitShares, type Limits, limitShares } from './limit-shares.js';

/** All rows of one kind added up; the shares are those of its total time. */
export interface KindTime extends LimitShares {
  readonly kind: TimedKind;
  readonly ms: number;
}

/** Times by kind, longest first: a network has too many layers to read one by one. */
export function byKind(layers: readonly LayerTime[], limits: Limits): KindTime[] {
  const kinds = [...new Set(layers.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const rows = layers.filter((layer) => layer.kind === kind);
      const ms = rows.reduce((sum, row) => sum + row.ms, 0);
      const share = (name: keyof LimitShares) => {
        const needed = rows.reduce(
          (sum, row) => sum + row.ms * (limitShares(row, limits)[name] ?? 0),
          0,
        );
        return needed > 0 ? needed / ms : null;
      };
      return { kind, ms, ofPeak: share('ofPeak'), ofBandwidth: share('ofBandwidth') };
    })
    .sort((a, b) => b.ms - a.ms);
}
