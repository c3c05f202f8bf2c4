/**
 * The part of tfjs that Haze uses, described here: the package is optional, so its own types may be missing
 * when this is compiled. Names and meanings are tfjs's (4.22).
 */

/** The part of `tf.Tensor` that is used. */
export interface TfTensor {
  readonly shape: number[];
  readonly dtype: string;
  dataSync(): Float32Array | Int32Array | Uint8Array;
  dispose(): void;
}

/** An attribute of a raw operation, in the native binding's form. */
export interface OpAttribute {
  readonly name: string;
  /** One of the binding's `TF_ATTR_…` values. */
  readonly type: number;
  readonly value: boolean | number | string | readonly number[];
}

/** The native binding's own constants and counters. */
export interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
  loadSavedModel(folder: string, tags: string): number;
}

/** `NodeJSKernelBackend`: runs raw operations and saved models. */
export interface TfBackend {
  readonly binding: Binding;
  readonly isUsingGpuDevice: boolean;
  executeMultipleOutputs(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly TfTensor[],
    outputs: number,
  ): TfTensor[];
  runSavedModel(
    id: number,
    inputs: readonly TfTensor[],
    infos: readonly { name: string; dtype: string }[],
    outputs: readonly string[],
  ): TfTensor[];
  deleteSavedModel(id: number): void;
  getNumOfTFTensors(): number;
}

/** The `tf` namespace. */
export interface Tf {
  tensor(
    values: Float32Array | Int32Array | Uint8Array | readonly number[],
    shape: readonly number[],
    dtype?: string,
  ): TfTensor;
  scalar(value: number, dtype?: string): TfTensor;
  tidy<T>(body: () => T): T;
  keep<T extends TfTensor>(tensor: T): T;
  dispose(tensors: readonly TfTensor[]): void;
  memory(): { numTensors: number };
  add(a: TfTensor, b: TfTensor): TfTensor;
  sub(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor): TfTensor;
  div(a: TfTensor, b: TfTensor): TfTensor;
  cast(a: TfTensor, dtype: string): TfTensor;
  clipByValue(a: TfTensor, low: number, high: number): TfTensor;
  round(a: TfTensor): TfTensor;
  abs(a: TfTensor): TfTensor;
  minimum(a: TfTensor, b: TfTensor): TfTensor;
  maximum(a: TfTensor, b: TfTensor): TfTensor;
  reshape(a: TfTensor, shape: readonly number[]): TfTensor;
  slice(a: TfTensor, begin: readonly number[], size: readonly number[]): TfTensor;
  /** The largest `k` along the last axis, decreasing. */
  topk(a: TfTensor, k: number, sorted: boolean): { values: TfTensor; indices: TfTensor };
  reverse(a: TfTensor, axis: number): TfTensor;
  where(condition: TfTensor, a: TfTensor, b: TfTensor): TfTensor;
  registerBackend(name: string, factory: () => unknown, priority: number): boolean;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): TfBackend;
}
