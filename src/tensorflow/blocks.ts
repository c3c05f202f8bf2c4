/**
 * Which parameters are stored, and updated, as one variable. An operation on a few numbers costs as much as one on many, on a GPU above
 * all, and an optimizer has several for each parameter.
 */
import { elements } from '../network/state.js';
import type { Variable } from './variables.js';

/** A variable as TensorFlow has it, and the variables that are packed into it. */
export interface Stored {
  /** The variable's name, or `packed/…` for several. */
  readonly name: string;
  /** The variable's stored shape; of several, their elements one after the other. */
  readonly kept: readonly number[];
  readonly members: readonly Variable[];
}

/** Parameters that an optimizer updates together. */
export interface Block extends Stored {
  /** How Muon updates its members, which have one shape; undefined for Adam. */
  readonly matrix: Matrix | undefined;
}

/** Weights that Muon updates. */
export interface Matrix {
  /** Whether they belong to transposed convolutions. */
  readonly transposed: boolean;
}

/** Largest parameters to pack, in elements: they are copied once a pass, which on a CPU takes longer than the calls it saves. */
const LARGEST = { cpu: 2 ** 12, gpu: 2 ** 18 };

/** The blocks of a network. @param matrices the weights that Muon updates, by name */
export function packBlocks(
  parameters: readonly Variable[],
  matrices: ReadonlyMap<string, Matrix>,
  gpu: boolean,
): Block[] {
  const groups = new Map<string, Variable[]>();
  for (const variable of parameters) {
    const key = groupOf(variable, matrices.get(variable.name), gpu);
    groups.set(key, [...(groups.get(key) ?? []), variable]);
  }
  return [...groups.values()].map((members, i) => {
    const [first] = members as [Variable, ...Variable[]];
    const matrix = matrices.get(first.name);
    if (members.length === 1) return { name: first.name, kept: first.kept, members, matrix };
    const count = members.reduce((sum, { kept }) => sum + elements(kept), 0);
    return { name: `packed/${i}`, kept: [count], members, matrix };
  });
}

/** Parameters with the same key are packed. */
function groupOf({ name, kept }: Variable, matrix: Matrix | undefined, gpu: boolean): string {
  if (elements(kept) > LARGEST[gpu ? 'gpu' : 'cpu']) return name;
  return matrix ? `${matrix.transposed}/${kept}` : 'vectors';
}
