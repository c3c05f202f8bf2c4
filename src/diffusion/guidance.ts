/** The labels of a class-conditional network when it draws, and classifier-free guidance (Ho & Salimans 2022). */

export interface Condition {
  /** Labels that images take in turn: image k has the label with index k modulo their count, in any batch. */
  readonly labels: readonly number[];
  /** W in each step's m = m_none + W·(m_class − m_none). 1 evaluates only the class. */
  readonly guidance: number;
  /** The label of no class, for m_none; null if the network has none. */
  readonly none: number | null;
}

/** Evaluations of the network per image, which share one batch. */
export const passesOf = (condition: Condition | null | undefined): 1 | 2 =>
  condition && condition.guidance !== 1 && condition.none !== null ? 2 : 1;

/** The label of image k. */
export const labelOf = ({ labels }: Condition, image: number): number =>
  labels[image % labels.length]!;

/** Labels of a pass over these images: those of their classes, then, in a guided pass, as many for no class. */
export function labelsOfPass(condition: Condition, images: ArrayLike<number>): Int32Array {
  const own = Array.from(images, (image) => labelOf(condition, image));
  return Int32Array.from(
    passesOf(condition) === 1 ? own : [...own, ...own.map(() => condition.none!)],
  );
}

/** Weights of the output and of the one that it moves away from. */
export const guidanceWeights = ({
  guidance,
}: Pick<Condition, 'guidance'>): [own: number, other: number] => [
  Math.fround(guidance),
  Math.fround(1 - guidance),
];

/** Each image twice, as input of a guided pass. */
export function twice(x: Float32Array): Float32Array<ArrayBuffer> {
  const both = new Float32Array(2 * x.length);
  both.set(x);
  both.set(x, x.length);
  return both;
}

/** The guided output of a pass over each image twice. */
export function guided(condition: Condition, output: Float32Array): Float32Array<ArrayBuffer> {
  const half = output.length / 2;
  return away(condition, output.subarray(0, half), output.subarray(half));
}

/** m + (W − 1)·(m − other), as W·m + (1 − W)·other: in f32 like the kernel qSample, so with the same bits as the engine. */
export function away(
  condition: Pick<Condition, 'guidance'>,
  output: Float32Array,
  other: Float32Array,
): Float32Array<ArrayBuffer> {
  const [a, b] = guidanceWeights(condition);
  return Float32Array.from(output, (m, i) =>
    Math.fround(Math.fround(a * m) + Math.fround(b * other[i]!)),
  );
}
