/**
 * A state dict in PyTorch's form: names to tensors, in the reference's layouts (convolutions OIHW,
 * transposed convolutions IOHW). Both devices import and export this form, and so do files.
 */
export type Tensor = F32Tensor | I64Tensor;

export interface F32Tensor {
  readonly dtype: 'F32';
  readonly shape: readonly number[];
  /** Row-major; its length is the product of `shape` (1 for a scalar, whose shape is []). */
  readonly data: Float32Array;
}

export interface I64Tensor {
  readonly dtype: 'I64';
  readonly shape: readonly number[];
  readonly data: BigInt64Array;
}

/** In the order of PyTorch's `state_dict()`. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** Product of the dimensions. */
export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The first NaN or infinity in a state dict, and its tensor. */
export function firstNotFinite(state: StateDict): { name: string; value: number } | undefined {
  for (const [name, { dtype, data }] of state) {
    if (dtype !== 'F32') continue;
    // A plain loop: a callback or an iterator takes a second for the reference's 62 million values, this a tenth.
    for (let i = 0; i < data.length; i++)
      if (!Number.isFinite(data[i])) return { name, value: data[i]! };
  }
  return undefined;
}
