/**
 * Replicas in one process, which take turns in one network at each step. The order does not affect the bits, since replicas are
 * independent within a round.
 */
import { partsOf, sumTimes } from '../contracts/parts.js';
import type { EvaluationBatch, StepResult, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { WasmNetwork } from '../engine/network/wasm-network.js';
import type { WasmTrainer } from '../wasm/wasm-trainer.js';
import type { ReplicaStates } from './replica-states.js';

export class ReplicatedTrainer implements Trainer {
  readonly replicas: ReplicaStates;
  private readonly inner: WasmTrainer;

  constructor(inner: WasmTrainer, replicas: ReplicaStates) {
    this.inner = inner;
    this.replicas = replicas;
  }

  get unet(): WasmNetwork {
    return this.inner.unet;
  }

  get memoryBytes(): number {
    return this.inner.memoryBytes;
  }

  async step(batch: TrainBatch): Promise<StepResult> {
    const results: StepResult[] = [];
    let exchanging = 0;
    for (const [{ index }, images] of partsOf(batch, this.replicas.count)) {
      const begun = performance.now();
      this.replicas.show(index);
      exchanging += performance.now() - begun;
      results.push(await this.inner.step({ ...images, lr: batch.lr }));
      this.replicas.hasMoved();
    }
    const { ms, ...result } = together(results);
    return { ...result, ms: { ...ms, replicas: exchanging } };
  }

  evaluate(batch: EvaluationBatch) {
    return this.inner.evaluate(batch);
  }

  dispose(): Promise<void> {
    return this.inner.dispose();
  }
}

/** The combined step: the mean of the replicas' losses, in order. */
export function together(results: readonly StepResult[]): StepResult {
  return {
    loss: results.reduce((sum, { loss }) => sum + loss / results.length, 0),
    losses: Float64Array.from(results.flatMap(({ losses }) => [...losses])),
    ms: sumTimes(results.map(({ ms }) => ms)),
  };
}
