/** Averages of the weights and running statistics (EMA): their update, and swapping them with the weights. */
import { averageRate } from '../contracts/device.js';
import { add, multiply, subtract } from './calls.js';
import { one, scalar } from './ops.js';
import { averagePrefix, STEP, type Store, type Variable } from './variables.js';

/** Moves each average towards the weights, e ← e − rate·(e − p), with the rate for the counted steps. */
export function averageStep<V>(
  store: Store<V>,
  variables: readonly Variable[],
  decays: readonly number[],
): void {
  const { ops } = store;
  const warming = one(ops, 'RealDiv', [
    scalar(ops, WARMING),
    add(ops, store.read(STEP.name), scalar(ops, 10)),
  ]);
  for (const [i, decay] of decays.entries()) {
    const rate = one(ops, 'Maximum', [warming, scalar(ops, 1 - decay)]);
    for (const { name } of store.stored(variables)) {
      const average = averagePrefix(i) + name;
      const distance = subtract(ops, store.read(average), store.read(name));
      store.subtract(average, multiply(ops, rate, distance));
    }
  }
}

/** `averageRate` of a decay that is never reached, times 10 + steps. */
const WARMING = averageRate(1, 0) * 10;

/** Swaps weights and statistics with an average's. */
export function exchangeAverage<V>(
  store: Store<V>,
  variables: readonly Variable[],
  index: number,
): void {
  const { ops } = store;
  for (const { name } of store.stored(variables)) {
    const average = averagePrefix(index) + name;
    const [own, other] = [store.read(name), store.read(average)];
    // Only once both are read.
    store.assign(name, ops.after(other, [own]));
    store.assign(average, ops.after(own, [other]));
  }
}
