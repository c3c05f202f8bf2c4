/** Runs routines operation by operation: slow on small networks (20 ms per step in calls alone), easy to debug. */
import type { Tensorflow } from './load.js';
import {
  type Attribute,
  type Attributes,
  bool,
  FLOAT,
  type Machine,
  type Ops,
  planned,
  type Routine,
  shape as shapeAttribute,
  string,
} from './ops.js';
import type { Binding, OpAttribute, TfTensor } from './tfjs.js';
import { valuesOf } from './values.js';

let machines = 0;

export class EagerMachine<Name extends string> implements Machine<Name> {
  readonly #tensorflow: Tensorflow;
  readonly #ops: EagerOps;
  readonly #routines: ReadonlyMap<Name, Routine>;

  constructor(tensorflow: Tensorflow, routines: Readonly<Partial<Record<Name, Routine>>>) {
    this.#tensorflow = tensorflow;
    this.#routines = new Map(Object.entries(routines) as [Name, Routine][]);
    this.#ops = new EagerOps(tensorflow);
  }

  run(routine: Name, inputs: readonly Float32Array[]): Float32Array[] {
    const { tf } = this.#tensorflow;
    const { inputs: specs, body } = planned(this.#routines.get(routine), routine);
    return valuesOf(tf, () => {
      const tensors = specs.map(({ shape }, i) => tf.tensor(inputs[i]!, shape, 'float32'));
      return body(this.#ops, tensors);
    });
  }

  dispose(): void {
    this.#ops.dispose();
  }
}

/** Values are tfjs tensors; the caller's `tidy` frees them. */
class EagerOps implements Ops<TfTensor> {
  readonly #tensorflow: Tensorflow;
  readonly #handles = new Map<string, TfTensor>();
  readonly #prefix = `eager-${machines++}/`;

  constructor(tensorflow: Tensorflow) {
    this.#tensorflow = tensorflow;
  }

  op(name: string, inputs: readonly TfTensor[], attributes: Attributes, outputs = 1): TfTensor[] {
    const { backend } = this.#tensorflow;
    const list = toBinding(backend.binding, attributes);
    return backend.executeMultipleOutputs(name, list, inputs, outputs);
  }

  after(value: TfTensor): TfTensor {
    return value;
  }

  constant(values: Float32Array | Int32Array, shape: readonly number[]): TfTensor {
    const dtype = values instanceof Int32Array ? 'int32' : 'float32';
    return this.#tensorflow.tf.tensor(values, shape, dtype);
  }

  variable(name: string, shape: readonly number[]): TfTensor {
    let handle = this.#handles.get(name);
    if (!handle) {
      const attributes = {
        dtype: FLOAT,
        shape: shapeAttribute(shape),
        shared_name: string(this.#prefix + name),
      };
      handle = this.#tensorflow.tf.keep(this.op('VarHandleOp', [], attributes)[0]!);
      this.#handles.set(name, handle);
    }
    return handle;
  }

  /** Deletes the variables, which outlive their handles. */
  dispose(): void {
    for (const handle of this.#handles.values()) {
      this.op('DestroyResourceOp', [handle], { ignore_lookup_error: bool(true) }, 0);
      handle.dispose();
    }
    this.#handles.clear();
  }
}

function toBinding(binding: Binding, attributes: Attributes): OpAttribute[] {
  const types: Record<Attribute['kind'], number> = {
    type: binding.TF_ATTR_TYPE,
    bool: binding.TF_ATTR_BOOL,
    int: binding.TF_ATTR_INT,
    ints: binding.TF_ATTR_INT,
    float: binding.TF_ATTR_FLOAT,
    string: binding.TF_ATTR_STRING,
    shape: binding.TF_ATTR_SHAPE,
  };
  return Object.entries(attributes).map(([name, { kind, value }]) => ({
    name,
    type: types[kind],
    value,
  }));
}
