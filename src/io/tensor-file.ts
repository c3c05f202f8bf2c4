/** What every format of tensors by name gives, whatever network they are of. */
import type { Tensor } from '../network/state.js';

/** A tensor before its data is read. `dtype` is a name of dtypes.ts, or PyTorch's of one that is not read. */
export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** An open file of tensors, with nothing but names, dtypes and shapes read. */
export interface TensorFile {
  /** In the order of the file. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Free texts beside the tensors; only safetensors have them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Reads the tensor of a name in `entries`. @throws UsageError for a dtype that is not read, and for unsound data */
  read(name: string): Promise<Tensor>;
}
