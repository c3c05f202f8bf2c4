/**
 * Types for the numbers that kernels take, so that a call with arguments in the wrong order does not compile. A plain number is
 * an integer or a float, but not a pointer; a pointer is neither.
 */

declare const POINTER: unique symbol;

/** A byte address in the shared memory. */
export type Pointer = number & { readonly [POINTER]: true };

/** A whole number of 32 bits. */
export type Integer = number & { readonly [POINTER]?: never };

export type Float = number & { readonly [POINTER]?: never };

/** For optional arguments of a kernel. */
export const NULL = 0 as Pointer;

/** The pointer to a byte address. */
export const pointer = (address: number): Pointer => address as Pointer;

/** The pointer advanced by some bytes. */
export const plus = (at: Pointer, bytes: number): Pointer => pointer(at + bytes);

/** The pointer advanced by some f32 values. */
export const plusFloats = (at: Pointer, floats: number): Pointer => plus(at, 4 * floats);
