/** Averages of the weights and running statistics (EMA): a step of theirs, and their exchange with the weights. */
import { averageRate } from '../contracts/device.js';
import { add, multiply, subtract } from './calls.js';
import { one, scalar } from './ops.js';
import { averageName, STEP, type Store, type Variable } from './variables.js';

/** Moves each average towards the weights, e ← e − rate·(e − p), by the rate after the steps that are counted. */
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
    for (const { name } of variables) {
      const average = averageName(i, name);
      const distance = subtract(ops, store.read(average), store.read(name));
      store.subtract(average, multiply(ops, rate, distance));
    }
  }
}

/** `averageRate` of a decay that never counts, times 10 + steps. */
const WARMING = averageRate(1, 0) * 10;

/** Exchanges weights and statistics with an average's. */
export function exchangeAverage<V>(
  store: Store<V>,
  variables: readonly Variable[],
  index: number,
): void {
  const { ops } = store;
  for (const { name } of variables) {
    const average = averageName(index, name);
    const [own, other] = [store.read(name), store.read(average)];
    // Not before both are read.
    store.assign(name, ops.after(other, [own]));
    store.assign(average, ops.after(own, [other]));
  }
}
