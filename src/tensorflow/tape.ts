/**
 * Reverse-mode differentiation, as small as networks need: each operation records on the tape how its output's
 * gradient is propagated to its inputs and parameters; `backward` replays the tape from its end.
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

  /** Requests the gradient of a value that no layer computed: a parameter. */
  watch(value: V): void {
    this.#watched.add(value);
  }

  /** Whether this value's gradient is needed; false for images and timesteps. */
  watches(value: V): boolean {
    return this.#watched.has(value);
  }

  /** Records how `output` was computed. `backward` calls `give` for each input that is watched. */
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

  /** Replays the tape backwards from `output`, whose own gradient is given. */
  backward(output: V, gradient: V): void {
    this.give(output, gradient);
    for (const step of this.#steps.reverse()) {
      const arrived = this.#gradients.get(step.output);
      if (arrived !== undefined) step.backward(arrived);
    }
  }

  /** The accumulated gradient of a value. */
  gradient(value: V): V {
    const gradient = this.#gradients.get(value);
    if (gradient === undefined) throw new Error('Tape: no gradient reached this value');
    return gradient;
  }
}
