/**
 * Raw TensorFlow operations, behind one interface with two sides: run at once (`eager.ts`), or recorded
 * into a graph (`graph.ts`). Networks are interpreted once, over this.
 */
import { RunError } from '../errors.js';

/** An attribute of an operation, with the kind that its definition asks for. */
export type Attribute =
  | { readonly kind: 'type'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'shape'; readonly value: readonly number[] };

export type Attributes = Readonly<Record<string, Attribute>>;

/** `DataType` of TensorFlow's protocol buffers. */
const DT_FLOAT = 1;
const DT_INT32 = 3;

export const FLOAT: Attribute = { kind: 'type', value: DT_FLOAT };
export const INT32: Attribute = { kind: 'type', value: DT_INT32 };
export const bool = (value: boolean): Attribute => ({ kind: 'bool', value });
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const string = (value: string): Attribute => ({ kind: 'string', value });
export const shape = (value: readonly number[]): Attribute => ({ kind: 'shape', value });

/** `V` is a value: a tensor that exists (eager), or the name of a graph node's output. */
export interface Ops<V> {
  /**
   * One operation of TensorFlow's registry, by name; gives its outputs in order. Those without outputs change variables:
   * in the order of the calls, for each variable.
   */
  op(name: string, inputs: readonly V[], attributes: Attributes, outputs?: number): V[];

  /** `value`, computed no earlier than `first`: a graph else runs whatever is ready. */
  after(value: V, first: readonly V[]): V;

  /** f32 or i32 values that never change. */
  constant(values: Float32Array | Int32Array, shape: readonly number[]): V;

  /** The handle of a variable: f32 that lives from one run to the next. The same name is the same variable. */
  variable(name: string, shape: readonly number[]): V;
}

/** A computation with f32 inputs and outputs, run by a machine as often as wanted. */
export interface Routine {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** The outputs; variables that it assigns are a side effect. A variable is read before it is assigned. */
  readonly body: <V>(ops: Ops<V>, inputs: readonly V[]) => readonly V[];
}

/** Runs routines that share variables. */
export interface Machine<Name extends string> {
  /** One f32 array an input, in order; gives one an output. Inputs are not kept. */
  run(routine: Name, inputs: readonly Float32Array[]): Float32Array[];
  /** Frees variables and graph; safe to call twice. */
  dispose(): void;
}

/** A routine that a machine was given. @throws RunError for one that it was not. */
export function planned<T>(routine: T | undefined, name: string): T {
  if (routine === undefined) throw new RunError(`this network was planned without ${name}`);
  return routine;
}

/** An operation with one output. */
export const one = <V>(
  ops: Ops<V>,
  name: string,
  inputs: readonly V[],
  attributes: Attributes = { T: FLOAT },
): V => ops.op(name, inputs, attributes, 1)[0]!;

/** f32 scalar that never changes. */
export const scalar = <V>(ops: Ops<V>, value: number): V =>
  ops.constant(Float32Array.of(value), []);

/** i32 vector that never changes: shapes, axes, permutations. */
export const vector = <V>(ops: Ops<V>, ...values: number[]): V =>
  ops.constant(Int32Array.from(values), [values.length]);

/** The value of a variable now. */
export const read = <V>(ops: Ops<V>, variable: V): V =>
  one(ops, 'ReadVariableOp', [variable], { dtype: FLOAT });

/** Gives a variable its next value. */
export function assign<V>(ops: Ops<V>, variable: V, value: V): void {
  ops.op('AssignVariableOp', [variable, value], { dtype: FLOAT }, 0);
}

/** Takes `value` off a variable. */
export function assignSub<V>(ops: Ops<V>, variable: V, value: V): void {
  ops.op('AssignSubVariableOp', [variable, value], { dtype: FLOAT }, 0);
}
