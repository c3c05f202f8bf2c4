import { trainedValues } from '../../network/cost.js';
import type { Graph, Value } from '../../network/graph.js';
import { fuse, reads, type Step, type StepOp } from './steps.js';

/**
 * The order in which steps run. Vectors come first (embeddings of the timestep and the label, and what depends on them),
 * in waves of independent steps; then the images, one step after the other. The backward pass
 * runs in reverse.
 */
export interface Schedule {
  /** The inputs, then the steps that read them, and so on. */
  readonly waves: readonly (readonly Step[])[];
  readonly images: readonly Step[];
  /** The step that produces each value, and those that read it. */
  readonly makers: ReadonlyMap<number, Step>;
  readonly readers: ReadonlyMap<number, readonly Step[]>;
  /** Values whose gradient is needed. */
  readonly trained: ReadonlySet<number>;
}

export function schedule(graph: Graph): Schedule {
  const steps = fuse(graph);
  const waves: Step[][] = [];
  const images: Step[] = [];
  const levels = new Map<number, number>();
  const makers = new Map<number, Step>();
  const readers = new Map<number, Step[]>();
  const trained = new Set(trainedValues(graph));
  for (const step of steps) {
    const values = reads(step);
    makers.set(step.out.id, step);
    for (const { id } of values) readers.set(id, [...(readers.get(id) ?? []), step]);
    // Values that fusing removed depended on parameters too.
    if ('layer' in step || values.some(({ id }) => trained.has(id))) trained.add(step.out.id);
    if (step.out.side > 0 && step.op !== 'image') {
      images.push(step);
      continue;
    }
    const level = Math.max(-1, ...values.map((v) => levels.get(v.id)!)) + 1;
    levels.set(step.out.id, level);
    waves[level] = [...(waves[level] ?? []), step];
  }
  return { waves, images, makers, readers, trained };
}

/** The place of a value within another: a concatenation's parts in it, a sum's first operand in the sum. */
export interface Placement {
  readonly inside: Value;
  /** Channels (padded) before it. */
  readonly first: number;
}

/** Steps whose kernels write pixels contiguously. */
const CONTIGUOUS: ReadonlySet<StepOp> = new Set<StepOp>(['image', 'activation']);

/** Whether the backward pass reads a layer's output, contiguously. */
const hasRelu = (step: Step): boolean => step.op === 'convolve' && step.relu;

/**
 * Concatenations own their buffers, and producers write slices. A step that adds to another's output overwrites it
 * if nothing reads it afterwards.
 * @param training whether the backward pass reads values again
 */
export function place(
  { images, makers, readers }: Schedule,
  training: boolean,
  padded: (value: Value) => number,
): Map<number, Placement> {
  const placed = new Map<number, Placement>();
  const order = new Map(images.map((step, i) => [step, i]));
  const isLast = (value: Value, step: Step) =>
    (readers.get(value.id) ?? []).every((r) => (order.get(r) ?? -1) <= order.get(step)!);
  for (const step of images) {
    if (step.op !== 'concat') continue;
    const { a, b, out } = step;
    const claim = (value: Value, first: number) => {
      const maker = makers.get(value.id);
      if (placed.has(value.id) || !maker || !isLast(value, step)) return;
      if (CONTIGUOUS.has(maker.op) || (training && hasRelu(maker))) return;
      placed.set(value.id, { inside: out, first });
    };
    claim(b, padded(a));
    claim(a, 0);
  }
  for (const step of images) {
    if (step.op !== 'convolve' || !step.side || placed.has(step.side.id)) continue;
    const { side, out } = step;
    const maker = makers.get(side.id);
    const alone = readers.get(side.id)!.length === 1 && maker?.op === 'convolve' && !hasRelu(maker);
    if (alone || (!training && maker && !CONTIGUOUS.has(maker.op) && isLast(side, step)))
      placed.set(side.id, { inside: out, first: 0 });
  }
  return placed;
}
