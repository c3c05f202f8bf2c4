/**
 * Reverse-mode differentiation, as small as networks need: each operation leaves on the tape how its output's
 * gradient becomes its inputs' and its parameters'; `backward` plays the tape from its end.
 */
import { type Ops, one } from './ops.js';

export class Tape<V> {
  readonly ops: Ops<V>;
  readonly #steps: { output: V; backward: (gradient: V) => void }[] = [];
  readonly #gradients = new Map<V, V>();
  readonly #watched = new Set<V>();

  constructor(ops: Ops<V>) {
    this.ops = ops;
  }

  /** Asks for the gradient of a value that no layer made: a parameter. */
  watch(value: V): void {
    this.#watched.add(value);
  }

  /** True when someone needs this value's gradient; false for images and timesteps. */
  watches(value: V): boolean {
    return this.#watched.has(value);
  }

  /** Notes how `output` came about. `backward` calls `give` for each input that is watched. */
  record(output: V, backward: (gradient: V) => void): V {
    this.#watched.add(output);
    this.#steps.push({ output, backward });
    return output;
  }

  /** Adds to the gradient of `value`, which several layers may have used. */
  give(value: V, gradient: V): void {
    const sum = this.#gradients.get(value);
    this.#gradients.set(
      value,
      sum === undefined ? gradient : one(this.ops, 'AddV2', [sum, gradient]),
    );
  }

  /** Plays the tape back from `output`, whose own gradient is given. */
  backward(output: V, gradient: V): void {
    this.give(output, gradient);
    for (const step of this.#steps.reverse()) {
      const arrived = this.#gradients.get(step.output);
      if (arrived !== undefined) step.backward(arrived);
    }
  }

  /** The gradient that arrived at a value. */
  gradient(value: V): V {
    const gradient = this.#gradients.get(value);
    if (gradient === undefined) throw new Error('Tape: no gradient reached this value');
    return gradient;
  }
}
