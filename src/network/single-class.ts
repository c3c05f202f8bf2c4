import type { DitConfig } from './dit-config.js';
import type { StateDict, Tensor } from './state.js';

/*
 * diffusers' DiT always embeds a label. If there is only one, each block's table has a single row, which is added to every embedded
 * timestep: Haze has such a network without classes, with the row in the bias of the layer before, and writes rows of zeros.
 */

const TABLE = '.class_embedder.embedding_table.weight';
const BIAS = '.timestep_embedder.linear_2.bias';

/** A block's class embedding, by its number. */
export const tableName = (block: number): string => `transformer_blocks.${block}.norm1.emb${TABLE}`;

/** The shapes of a network's tables of one row. */
export const singleClassShapes = ({ depth, widths }: DitConfig): [string, number[]][] =>
  Array.from({ length: depth }, (_, block) => [tableName(block), [1, ...widths]]);

/** The weights of a network without classes as diffusers has them. */
export function withSingleClass(config: DitConfig, state: StateDict): StateDict {
  const tables = singleClassShapes(config).map(([name, shape]): [string, Tensor] => [
    name,
    { dtype: 'F32', shape, data: new Float32Array(shape[1]!) },
  ]);
  return new Map([...state, ...tables]);
}

/** Weights without tables of one row, whose values go into the biases. */
export function withoutSingleClass(state: StateDict): StateDict {
  const kept = new Map(state);
  for (const [name, row] of state) {
    if (!name.endsWith(TABLE) || row.shape[0] !== 1 || row.dtype !== 'F32') continue;
    const bias = name.slice(0, -TABLE.length) + BIAS;
    const { data: before } = state.get(bias)!;
    const data = row.data.map((value, i) => value + Number(before[i]));
    kept.set(bias, { dtype: 'F32', shape: [data.length], data });
    kept.delete(name);
  }
  return kept;
}
