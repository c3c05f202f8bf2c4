/**
 * Classifies pictures of toy cars by their outlines: the edges of the lightly blurred channels, compared with the mean edges of each
 * kind. Colours, sky and road do not depend on the kind, and are ignored.
 */
import { openDataset } from '../src/data/dataset.js';
import { openSource } from '../src/data/source.js';

/** u8 [count, size, size, 3]. */
export interface Pictures {
  readonly data: Uint8Array;
  readonly count: number;
  readonly size: number;
}

export interface Cars extends Pictures {
  readonly names: readonly string[];
  readonly labels: Int32Array;
}

/** The first toy cars of a seed. */
export async function toyCars(seed: number, size: number, most = 2048): Promise<Cars> {
  const source = await openSource('toy-cars', seed);
  const { names, labels } = await source.classes!();
  const dataset = await openDataset(source, { size, channels: 3, fit: 'squash', threads: 1 });
  try {
    const count = Math.min(most, dataset.count);
    const data = new Uint8Array(count * size * size * 3);
    await dataset.read(
      Array.from({ length: count }, (_, i) => i),
      data,
    );
    return { data, count, size, names, labels: labels.slice(0, count) };
  } finally {
    await dataset.close();
  }
}

/** Mean edges of each kind. */
export class CarShapes {
  readonly #means: readonly Float32Array[];

  constructor({ labels, names, ...pictures }: Cars) {
    const each = pictures.size ** 2;
    const means = names.map(() => new Float32Array(each));
    for (const [car, shape] of shapesOf(pictures).entries())
      shape.forEach((v, i) => {
        means[labels[car]!]![i]! += v;
      });
    this.#means = means.map(normalised);
  }

  /** The kind whose mean edges are most similar to those of each picture, or of its mirror image. */
  kinds(pictures: Pictures): number[] {
    return shapesOf(pictures).map((shape) => {
      const mirrored = mirror(shape, pictures.size);
      const likeness = this.#means.map((mean) => Math.max(dot(mean, shape), dot(mean, mirrored)));
      return likeness.indexOf(Math.max(...likeness));
    });
  }
}

/** Edges of each picture, as vectors of length 1. */
function shapesOf({ data, count, size }: Pictures): Float32Array[] {
  const each = size * size * 3;
  return Array.from({ length: count }, (_, k) =>
    normalised(edges(blurred(data.subarray(k * each, (k + 1) * each), size), size)),
  );
}

const inside = (at: number, size: number): number => Math.min(size - 1, Math.max(0, at));

/** Blurred with 1 2 1 in both directions. */
function blurred(picture: Uint8Array, size: number): Float32Array {
  return Float32Array.from(picture, (_, i) => {
    const [pixel, c] = [Math.floor(i / 3), i % 3];
    const [y, x] = [Math.floor(pixel / size), pixel % size];
    let sum = 0;
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++) {
        const weight = (2 - Math.abs(dy)) * (2 - Math.abs(dx));
        sum += weight * picture[(inside(y + dy, size) * size + inside(x + dx, size)) * 3 + c]!;
      }
    return sum / 16;
  });
}

/** The steepest channel's slope at each pixel. */
function edges(picture: Float32Array, size: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, pixel) => {
    const [y, x] = [Math.floor(pixel / size), pixel % size];
    const at = (yy: number, xx: number, c: number) =>
      picture[(inside(yy, size) * size + inside(xx, size)) * 3 + c]!;
    const slopes = [0, 1, 2].map((c) =>
      Math.hypot(at(y, x + 1, c) - at(y, x - 1, c), at(y + 1, x, c) - at(y - 1, x, c)),
    );
    return Math.max(...slopes);
  });
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, v, i) => sum + v * b[i]!, 0);

function normalised(shape: Float32Array): Float32Array {
  const length = Math.sqrt(dot(shape, shape)) || 1;
  return shape.map((v) => v / length);
}

const mirror = (shape: Float32Array, size: number): Float32Array =>
  shape.map((_, i) => shape[i - (i % size) + size - 1 - (i % size)]!);
