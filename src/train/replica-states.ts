/** The states of the replicas: a copy of each, beside the one network in which all of them are trained. */
import type { Outer } from '../config/replicas.js';
import type { Replicas } from '../contracts/trainer.js';
import { copyInto, copyOf, type Snapshot } from '../engine/network/snapshot.js';
import type { WasmNetwork } from '../engine/network/wasm-network.js';
import { RunError } from '../errors.js';
import type { StateDict } from '../network/state.js';
import { isPlain, mean, outerStep } from './outer-step.js';

/** The content of the network: the state after a round, or a replica. */
type Held = number | 'shared';

export class ReplicaStates implements Replicas {
  readonly count: number;
  private readonly unet: WasmNetwork;
  private readonly outer: Outer;
  private own: Snapshot[] = [];
  /** The state after the last round, without moments, which are not shared. */
  private shared: Snapshot | undefined;
  /** The outer optimizer's momentum, in the layout of the weights. */
  private momentum: Float32Array;
  private held: Held = 0;
  /** Whether the replica in the network has changed since it was copied. */
  private moved = false;
  private round = false;
  /** Milliseconds spent on the ends of rounds. */
  averaging = 0;

  constructor(unet: WasmNetwork, count: number, outer: Outer) {
    this.unet = unet;
    this.count = count;
    this.outer = outer;
    this.momentum = new Float32Array(this.hasMomentum ? unet.memory.layout.floats : 0);
  }

  get inRound(): boolean {
    return this.round;
  }

  get hasMomentum(): boolean {
    return !isPlain(this.outer) && this.outer.momentum > 0;
  }

  show(which: Held): void {
    if (this.held === which) return;
    this.settle();
    this.load(which);
  }

  /** Call when the replica in the network has taken a step. */
  hasMoved(): void {
    this.moved = true;
    this.round = true;
  }

  takeAll(): void {
    const first = this.unet.snapshot();
    this.own = [first, ...Array.from({ length: this.count - 1 }, () => copyOf(first))];
    this.shared = copyOf({ ...first, moments: [] });
    this.momentum.fill(0);
    this.held = 0;
    this.moved = false;
    this.round = false;
  }

  take(replica: number, within: boolean): void {
    this.unet.snapshot(this.own[replica]);
    this.held = replica;
    this.moved = false;
    this.round = within;
  }

  endRound(): void {
    const begun = performance.now();
    this.settle();
    const { own, common } = this;
    outerStep(
      common.weights,
      this.momentum,
      own.map(({ weights }) => weights),
      this.outer,
    );
    // An outer step could make a variance negative, so running statistics and averages are averaged plainly.
    mean(
      common.statistics,
      own.map(({ statistics }) => statistics),
    );
    for (const [i, average] of common.averages.entries())
      mean(
        average,
        own.map(({ averages }) => averages[i]!),
      );
    common.batches = own[0]!.batches;
    for (const replica of own) copyInto(replica, common);
    this.round = false;
    this.load(0);
    this.averaging += performance.now() - begun;
  }

  exportMomentum(): StateDict {
    return this.unet.namedParameters(this.momentum);
  }

  importMomentum(state: StateDict): void {
    this.momentum = this.unet.laidOut(state);
  }

  private get common(): Snapshot {
    if (!this.shared) throw new RunError('replicas have no weights yet');
    return this.shared;
  }

  /** Copies the replica in the network, if it has changed. */
  private settle(): void {
    if (this.moved && this.held !== 'shared') this.unet.snapshot(this.own[this.held]);
    this.moved = false;
  }

  private load(which: Held): void {
    this.unet.restore(which === 'shared' ? this.common : this.own[which]!);
    this.held = which;
  }
}
