import { RunError } from '../../errors.js';
import type { Value } from '../../network/graph.js';
import { NULL, type Pointer, plusFloats } from '../pointer.js';
import type { Address, Call, Phase } from '../program.js';
import { slice, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import { channelsOf, type NetworkMemory, pixelsOf } from './memory.js';
import type { LayerAddresses } from './parameters.js';
import type { BatchNormStep } from './steps.js';

/**
 * The source of a batch norm's statistics: `train` uses the batch's and updates the running ones, `batch` uses only the
 * batch's, `running` uses the running ones.
 */
export type NormMode = 'train' | 'batch' | 'running';

/** Timesteps of a pass: their address (which may depend on the step), and whether there is one per image. */
export interface Timesteps {
  readonly at: Address;
  readonly every: boolean;
}

const ACTIVATIONS = 'activations';
const GRADIENTS = 'gradients of activations';
const SCRATCH = 'scratch';

/** Column sums of a gradient in the scratch `columns`: of which gradient, and in how many blocks. */
interface ColumnSums {
  readonly place: string;
  readonly blocks: number;
}

/**
 * A pass over the steps of a network, forward and optionally back. It runs twice: first to collect the lifetimes of buffers
 * and the size of scratch (`emits` false), then, once these have addresses, to emit kernel calls.
 */
export class Walk {
  readonly memory: NetworkMemory;
  readonly mode: NormMode;
  readonly t: Timesteps;
  readonly emits: boolean;
  /** Counts the steps. */
  moment = 0;
  /** Batch norms by their result; convolutions apply them as they load. */
  readonly lazy = new Map<number, BatchNormStep>();
  workerBytes = 0;
  /** Layers whose gradients have been written: the second use of a layer adds to them. */
  readonly met = new Set<string>();
  /** The contents of `columns`. */
  sums: ColumnSums | undefined;
  readonly #scratch = new Map<string, number>();
  readonly #written = new Set<number>();
  /** Values whose gradient reuses another's buffer. */
  readonly #aliases = new Map<number, Value>();

  constructor(memory: NetworkMemory, mode: NormMode, t: Timesteps, emits: boolean) {
    this.memory = memory;
    this.mode = mode;
    this.t = t;
    this.emits = emits;
  }

  get batch(): number {
    return this.memory.shape.batch;
  }

  /** Whether the weights are fixed, so that data derived from them can be stored. */
  get fixed(): boolean {
    return !this.memory.shape.training;
  }

  /** Kernel calls; computed only if they are needed, since there may be many. */
  emit(phases: () => Phase[]): Phase[] {
    return this.emits ? phases() : [];
  }

  /** The view of a value. */
  view(value: Value): View {
    const placement = this.memory.placed.get(value.id);
    if (placement) return slice(this.view(placement.inside), placement.first, channelsOf(value));
    return this.#tensor(ACTIVATIONS, `value ${value.id}`, value);
  }

  /** The view of a value's gradient. */
  gradient(value: Value): View {
    const other = this.#aliases.get(value.id);
    if (other) return this.gradient(other);
    const placement = this.memory.placed.get(value.id);
    if (placement)
      return slice(this.gradient(placement.inside), placement.first, channelsOf(value));
    return this.#tensor(GRADIENTS, `gradient ${value.id}`, value);
  }

  /** A name for the buffer of a gradient: equal for values that share it. */
  gradientPlace(value: Value): string {
    let [at, first] = [value, 0];
    for (;;) {
      const placement = this.memory.placed.get(at.id);
      const other = this.#aliases.get(at.id) ?? placement?.inside;
      if (!other) return `${at.id} ${first} ${channelsOf(value)}`;
      first += this.#aliases.has(at.id) ? 0 : placement!.first;
      at = other;
    }
  }

  /** Whether a part of a concatenation or sum is placed within it, at these channels. */
  liesIn(part: Value, whole: Value, first: number): boolean {
    const placement = this.memory.placed.get(part.id);
    return placement?.inside.id === whole.id && placement.first === first;
  }

  /** Whether a value's gradient has already been written, so that more is added. From now on it has, and earlier sums are stale. */
  accumulates(value: Value): boolean {
    const before = this.#written.has(value.id);
    this.arrives(value);
    if (this.sums?.place === this.gradientPlace(value)) this.sums = undefined;
    return before;
  }

  /** Records that a gradient is already in place: nothing is written. */
  arrives(value: Value): void {
    this.#written.add(value.id);
  }

  /** Whether a value has received any gradient. */
  arrived(value: Value): boolean {
    return this.#written.has(value.id);
  }

  wants(value: Value): boolean {
    return this.memory.schedule.trained.has(value.id);
  }

  /**
   * Lets the gradient of `value` reuse the buffer of `other`'s, which is no longer needed. False if it has its own buffer,
   * or something has been written there.
   */
  takesOver(value: Value, other: Value): boolean {
    if (this.#written.has(value.id) || this.memory.placed.has(value.id)) return false;
    this.#aliases.set(value.id, other);
    return true;
  }

  /** Floats by name that are kept from step to step of this walk, e.g. a norm's statistics. */
  floats(name: string, count: number): Pointer {
    return this.#buffer(ACTIVATIONS, name, 4 * count);
  }

  /** Scratch whose contents do not survive from one use to the next. */
  scratch(name: string, bytes: number): Pointer {
    if (!this.emits) {
      this.#scratch.set(name, Math.max(this.#scratch.get(name) ?? 0, bytes));
      return NULL;
    }
    return this.memory.buffers.at(name);
  }

  /** Each worker's own scratch. */
  worker(bytes: number): Address {
    this.workerBytes = Math.max(this.workerBytes, bytes);
    return {
      base: this.emits ? this.memory.buffers.at('worker') : NULL,
      perWorker: this.memory.workerBytes,
      workers: this.memory.scratches,
    };
  }

  /** Constant words in memory. */
  words(words: Int32Array): Pointer {
    return this.emits ? this.memory.reserve(words) : NULL;
  }

  layer(name: string): LayerAddresses {
    return this.memory.layout.layers.get(name)!;
  }

  /** Byte address of a parameter, by its offset. */
  weights(offset: number): Pointer {
    return plusFloats(this.memory.regions.weights, offset);
  }

  /** Byte address of a parameter's gradient. @throws RunError if the plan was made without training */
  gradients(offset: number): Pointer {
    const { training } = this.memory.regions;
    if (!training) throw new RunError('this network was planned without training');
    return plusFloats(training.gradients, offset);
  }

  /** Stored data by name; undefined if the plan has none. */
  kept(name: string): Pointer | undefined {
    return this.memory.kept.get(name) ?? this.memory.norms.get(name);
  }

  /** The view that a convolution reads, and the batch norm that it applies while loading. */
  operand(value: Value): { view: View; affine: AffinePointers | undefined } {
    const norm = this.lazy.get(value.id);
    if (!norm) return { view: this.view(value), affine: undefined };
    const view = this.view(norm.x);
    const scale = this.kept(affineOf(norm)) ?? NULL;
    const affine = norm.vector
      ? {
          scale,
          shift: this.floats(shiftOf(norm), this.batch * view.channels),
          shiftStep: view.channels,
        }
      : { scale, shift: plusFloats(scale, view.channels), shiftStep: 0 };
    return { view, affine };
  }

  /** Requests the scratch that the first walk needed, so that it is placed too. */
  noteScratch(scratches: number, workerBytes: number): void {
    const { buffers } = this.memory;
    const always = (name: string, bytes: number) => {
      buffers.use(SCRATCH, name, bytes, 0);
      buffers.use(SCRATCH, name, bytes, this.moment);
    };
    for (const [name, bytes] of this.#scratch) always(name, bytes);
    always('worker', scratches * workerBytes);
  }

  #tensor(group: string, name: string, value: Value): View {
    const side = Math.max(1, value.side);
    const channels = channelsOf(value);
    const at = this.#buffer(group, name, 4 * this.batch * pixelsOf(value) * channels);
    return { at, height: side, width: side, channels, stride: channels };
  }

  #buffer(group: string, name: string, bytes: number): Pointer {
    if (this.emits) return this.memory.buffers.at(name);
    this.memory.buffers.use(group, name, bytes, this.moment);
    return NULL;
  }
}

/** Names of a batch norm's stored data: scale and shift, and with a vector the shift of each image. */
export const affineOf = ({ out }: BatchNormStep): string => `affine ${out.id}`;
export const savedOf = ({ out }: BatchNormStep): string => `saved ${out.id}`;
export const shiftOf = ({ out }: BatchNormStep): string => `shift ${out.id}`;

/** Adds calls that do not depend on the first phase to it. */
export const together = (calls: Phase, [first, ...rest]: readonly Phase[]): Phase[] => [
  [...calls, ...(first ?? [])],
  ...rest,
];

/** Merges independent programs phase by phase. */
export function sideBySide(programs: readonly (readonly Phase[])[]): Phase[] {
  const longest = Math.max(0, ...programs.map((p) => p.length));
  return Array.from({ length: longest }, (_, i) =>
    programs.flatMap((p): Call[] => [...(p[i] ?? [])]),
  );
}
