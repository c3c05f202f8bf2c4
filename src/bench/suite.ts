import type { BenchOptions } from './options.js';
import { tensorflowMissing } from './paths.js';
import type { LayerReport, Missing, Result, Work } from './result.js';

/** One subject's contribution to the report. */
export interface Findings {
  readonly results: readonly Result[];
  readonly missing: readonly Missing[];
  readonly versions: Readonly<Record<string, string>>;
  readonly layers?: readonly LayerReport[];
}

export type Suite = (options: BenchOptions) => Promise<Findings>;

/** The findings of several pieces of work joined. */
export function join(all: readonly Findings[]): Findings {
  return {
    results: all.flatMap(({ results }) => results),
    missing: all.flatMap(({ missing }) => missing),
    versions: Object.assign({}, ...all.map(({ versions }) => versions)),
    layers: all.flatMap(({ layers = [] }) => layers),
  };
}

/** Whether TensorFlow's path of some work should be measured; if it cannot be, adds the reason to `missing`. */
export function wantsTensorflow(
  only: 'wasm' | 'tensorflow' | null,
  work: Work,
  missing: Missing[],
): boolean {
  if (only === 'wasm') return false;
  const why = tensorflowMissing();
  if (why !== null) missing.push({ ...work, by: 'haze, tensorflow', why });
  return why === null;
}
