/**
 * Raw TensorFlow operations behind one interface with two implementations: run at once (`eager.ts`), or recorded
 * into a graph (`graph.ts`). Networks are interpreted once, over this interface.
 */
import { RunError } from '../errors.js';

/** An attribute of an operation, with the kind that its definition requires. */
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
   * One operation of TensorFlow's registry, by name; returns its outputs in order. Those without outputs change variables:
   * for each variable in the order of the calls.
   */
  op(name: string, inputs: readonly V[], attributes: Attributes, outputs?: number): V[];

  /** `value`, computed no earlier than `first`: otherwise a graph runs whatever is ready. */
  after(value: V, first: readonly V[]): V;

  /** Constant f32 or i32 values. */
  constant(values: Float32Array | Int32Array, shape: readonly number[]): V;

  /** The handle of a variable: f32 that persists between runs. The same name is the same variable. */
  variable(name: string, shape: readonly number[]): V;
}

/** A computation with f32 inputs and outputs, which a machine can run repeatedly. */
export interface Routine {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Returns the outputs; assigning variables is a side effect. A variable is read before it is assigned. */
  readonly body: <V>(ops: Ops<V>, inputs: readonly V[]) => readonly V[];
}

/** Runs routines that share variables. */
export interface Machine<Name extends string> {
  /** Takes one f32 array per input, in order; returns one per output. Inputs are not kept. */
  run(routine: Name, inputs: readonly Float32Array[]): Float32Array[];
  /** Frees variables and graph; safe to call twice. */
  dispose(): void;
}

/** A routine that a machine was given. @throws RunError for another */
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

/** A constant f32 scalar. */
export const scalar = <V>(ops: Ops<V>, value: number): V =>
  ops.constant(Float32Array.of(value), []);

/** A constant i32 vector: shapes, axes, permutations. */
export const vector = <V>(ops: Ops<V>, ...values: number[]): V =>
  ops.constant(Int32Array.from(values), [values.length]);

/** The current value of a variable. */
export const read = <V>(ops: Ops<V>, variable: V): V =>
  one(ops, 'ReadVariableOp', [variable], { dtype: FLOAT });

/** Assigns a variable. */
export function assign<V>(ops: Ops<V>, variable: V, value: V): void {
  ops.op('AssignVariableOp', [variable, value], { dtype: FLOAT }, 0);
}

/** Subtracts `value` from a variable. */
export function assignSub<V>(ops: Ops<V>, variable: V, value: V): void {
  ops.op('AssignSubVariableOp', [variable, value], { dtype: FLOAT }, 0);
}
