import { stages } from '../../unet/architecture.js';
import type { Arena } from '../arena.js';
import { contiguous, padded, slice, type View } from '../tensors.js';
import type { UnetShape } from './shape.js';

/** A stage's tensors. `r1` and `r2` are what the two ReLUs let through: all that backward needs besides the input. */
export interface StageMemory {
  readonly name: string;
  readonly up: boolean;
  readonly norms: readonly [string, string];
  readonly input: View;
  readonly r1: View;
  readonly r2: View;
  readonly output: View;
  /** ReLU(Linear(embedding)), [batch, channels]. */
  readonly time: number;
  /** Shift of the first norm and `time`, [batch, channels]. */
  readonly shift: number;
  /** Scale and shift of each application of a norm, [2][channels]; then mean and 1/σ, likewise. */
  readonly affine: readonly [number, number];
  readonly saved: readonly [number, number];
  readonly gradient?: {
    readonly input: View | null;
    readonly output: View;
    readonly time: number;
    /** The down stages after the first add to what the up stages left in the skip. */
    readonly accumulate: boolean;
  };
}

/**
 * The stages' tensors. An up stage reads a buffer [batch, side, side, 2·channels] whose first half the stage below
 * writes and whose second half a down stage has written: concatenation without a copy. Gradients mirror it.
 */
export function planStages(
  arena: Arena,
  { architecture, batch, size, training }: UnetShape,
  first: View,
  last: View,
  dLast: View | undefined,
): StageMemory[] {
  const list = stages(architecture);
  const depth = list.length / 2;
  const widths = architecture.widths.map(padded);
  const image = (group: string, side: number, channels: number): View =>
    contiguous(arena.floats(group, batch * side * side * channels), side, channels);
  const side = (level: number) => size / 2 ** level;
  const concat = (group: string) =>
    Array.from({ length: depth }, (_, j) => image(group, side(depth - j), 2 * widths[depth - j]!));
  const joined = concat('activations');
  const dJoined = training ? concat('gradients of activations') : [];
  const half = (view: View, second: boolean) =>
    slice(view, second ? view.channels / 2 : 0, view.channels / 2);

  const level = (s: number) => (s < depth ? s : 2 * depth - s);
  const largest = Math.max(...list.map((s, i) => side(level(i)) ** 2 * padded(s.outputs)));
  // Without a backward pass nothing outlives its stage, so that all stages share two tensors.
  const shared = training
    ? null
    : ([0, 1].map(() => arena.floats('activations', batch * largest)) as [number, number]);

  return list.map((stage, s) => {
    const channels = padded(stage.outputs);
    const at = side(level(s));
    const relu = (k: 0 | 1) =>
      shared ? contiguous(shared[k], at, channels) : image('activations', at, channels);
    const isDown = s < depth;
    const j = s - depth;
    const input = isDown ? (s === 0 ? first : half(joined[depth - s]!, true)) : joined[j]!;
    const outputOf = (buffers: readonly View[], end: View) =>
      isDown
        ? half(buffers[depth - 1 - s]!, true)
        : j === depth - 1
          ? end
          : half(buffers[j + 1]!, false);
    const pair = (): [number, number] => [
      arena.floats('tables', 2 * channels),
      arena.floats('tables', 2 * channels),
    ];
    const memory: StageMemory = {
      name: stage.name,
      up: stage.up,
      norms: stage.norms,
      input,
      r1: relu(0),
      r2: relu(1),
      output: outputOf(joined, last),
      time: arena.floats('activations', batch * channels),
      shift: arena.floats('activations', batch * channels),
      affine: pair(),
      saved: pair(),
    };
    if (!dLast) return memory;
    const dInput = isDown ? (s === 0 ? dLast : half(dJoined[depth - s]!, true)) : dJoined[j]!;
    return {
      ...memory,
      gradient: {
        input: dInput,
        output: outputOf(dJoined, dLast),
        time: arena.floats('gradients of activations', batch * channels),
        accumulate: isDown && s > 0,
      },
    };
  });
}
