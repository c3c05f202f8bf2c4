/**
 * Reverse-mode differentiation, as small as networks need: each operation records on the tape how its output's
 * gradient is propagated to its inputs and parameters; `backward` replays the tape from its end.
 */
import { type Ops, one } from './ops.js';

/** Propagates the gradients of an operation's outputs. */
type Backward<V> = (gradients: readonly V[]) => void;

export class Tape<V> {
  readonly ops: Ops<V>;
  readonly #steps: { outputs: readonly V[]; backward: Backward<V> }[] = [];
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
    this.recordAll([output], ([gradient]) => backward(gradient!));
    return output;
  }

  /** The same for an operation with several outputs, of which all are read or none. */
  recordAll(outputs: readonly V[], backward: Backward<V>): readonly V[] {
    for (const output of outputs) this.#watched.add(output);
    this.#steps.push({ outputs, backward });
    return outputs;
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
      if (step.outputs.some((output) => this.#gradients.has(output)))
        step.backward(step.outputs.map((output) => this.gradient(output)));
    }
  }

  /** The accumulated gradient of a value. */
  gradient(value: V): V {
    const gradient = this.#gradients.get(value);
    if (gradient === undefined) throw new Error('Tape: no gradient reached this value');
    return gradient;
  }
}
