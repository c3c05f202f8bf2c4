/** The interface of every format with named tensors, for any network. */
import type { Tensor } from '../network/state.js';

/** A tensor before its data are read. `dtype` is a name in dtypes.ts, or PyTorch's name of an unsupported one. */
export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** An open file of tensors: only names, dtypes and shapes have been read. */
export interface TensorFile {
  /** In file order. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Free texts beside the tensors; only safetensors has them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Reads the tensor of a name in `entries`. @throws UsageError for an unsupported dtype, and for invalid data */
  read(name: string): Promise<Tensor>;
}
