import { UsageError } from '../errors.js';
import { readTensors } from '../io/read-tensors.js';
import { elements, type F32Tensor, type StateDict, type Tensor } from '../network/state.js';
import type { Comparison, Tolerance } from './compare.js';

/*
 * A fixture: inputs and the values that PyTorch computed from them, in one file (.safetensors, or of torch.save). Its images
 * are [batch, channel, height, width]; Haze's are [batch, height, width, channel].
 */
export class Fixture {
  readonly path: string;
  readonly tensors: StateDict;
  readonly metadata: Readonly<Record<string, string>>;

  /** `path` names the fixture in errors. */
  constructor(path: string, tensors: StateDict, metadata: Readonly<Record<string, string>> = {}) {
    this.path = path;
    this.tensors = tensors;
    this.metadata = metadata;
  }

  /** @throws UsageError for an invalid file of tensors. */
  static async read(path: string): Promise<Fixture> {
    const { tensors, metadata } = await readTensors(path);
    return new Fixture(path, tensors, metadata);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** The tensors below `prefix/`, without it. */
  below(prefix: string): Map<string, Tensor> {
    const start = `${prefix}/`;
    const found = [...this.tensors].filter(([name]) => name.startsWith(start));
    return new Map(found.map(([name, tensor]) => [name.slice(start.length), tensor]));
  }

  /** An f32 tensor of the given rank. @throws UsageError naming it if it is missing or different. */
  f32(name: string, rank: number): F32Tensor {
    const tensor = this.tensor(name);
    if (tensor.dtype !== 'F32' || tensor.shape.length !== rank)
      throw this.unexpected(name, `f32 with ${rank} dimensions`, tensor);
    return tensor;
  }

  /** Timesteps in [0, T). */
  timesteps(name: string, timesteps: number): Int32Array {
    const tensor = this.tensor(name);
    if (tensor.dtype !== 'I64' || tensor.shape.length !== 1)
      throw this.unexpected(name, 'whole numbers in one dimension', tensor);
    const values = Array.from(tensor.data, Number);
    const wrong = values.find((t) => t < 0 || t >= timesteps);
    if (wrong !== undefined)
      throw new UsageError(
        `${this.path}: ${name}: expected ${name === 'label' ? 'labels' : 'timesteps'} from 0 to ${timesteps - 1}, got ${wrong}`,
      );
    return Int32Array.from(values);
  }

  /** A tensor of one exact shape. @throws UsageError */
  shaped(name: string, shape: readonly number[]): F32Tensor {
    const tensor = this.f32(name, shape.length);
    if (tensor.shape.some((size, axis) => size !== shape[axis]))
      throw this.unexpected(name, `the shape [${shape.join(', ')}]`, tensor);
    return tensor;
  }

  private tensor(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor)
      throw new UsageError(`${this.path}: ${name}: expected a tensor with this name, got none`);
    return tensor;
  }

  private unexpected(name: string, expected: string, { dtype, shape }: Tensor): UsageError {
    return new UsageError(
      `${this.path}: ${name}: expected ${expected}, got ${dtype} [${shape.join(', ')}]`,
    );
  }
}

/** @throws UsageError for an expected tensor that the U-Net does not have, or not in this shape. */
export function addTensor(
  comparison: Comparison,
  fixture: Fixture,
  name: string,
  got: Tensor | undefined,
  expected: Tensor,
  tolerance: (expected: Tensor) => Tolerance,
): void {
  if (!got) throw new UsageError(`${fixture.path}: ${name}: no such tensor in this network`);
  if (got.shape.join() !== expected.shape.join())
    throw new UsageError(
      `${fixture.path}: ${name}: expected the shape [${got.shape.join(', ')}], ` +
        `got [${expected.shape.join(', ')}]`,
    );
  comparison.add(name, expected.shape, got.data, expected.data, tolerance(expected));
}

/** [batch, channel, …] → [batch, …, channel], where an image has `channels` × `pixels` values. */
export function toChannelsLast(data: Float32Array, channels: number, pixels: number): Float32Array {
  return swapInner(data, channels, pixels);
}

/** [batch, …, channel] → [batch, channel, …]. */
export function toChannelsFirst(
  data: Float32Array,
  channels: number,
  pixels: number,
): Float32Array {
  return swapInner(data, pixels, channels);
}

/** Transposes each matrix [rows, columns] of a batch. */
function swapInner(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  const matrix = elements([rows, columns]);
  for (let i = 0; i < data.length; i++) {
    const inside = i % matrix;
    const row = Math.floor(inside / columns);
    out[i - inside + (inside % columns) * rows + row] = data[i]!;
  }
  return out;
}
