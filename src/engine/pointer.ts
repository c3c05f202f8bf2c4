/**
 * Numbers that kernels take, told apart so that a call with arguments in the wrong order does not compile. A plain number is
 * an integer or a float, but no pointer; a pointer is neither.
 */

declare const POINTER: unique symbol;

/** A byte address in the shared memory. */
export type Pointer = number & { readonly [POINTER]: true };

/** A whole number of 32 bits. */
export type Integer = number & { readonly [POINTER]?: never };

export type Float = number & { readonly [POINTER]?: never };

/** For what a kernel may do without. */
export const NULL = 0 as Pointer;

/** The pointer to a byte address. */
export const pointer = (address: number): Pointer => address as Pointer;

/** The pointer so many bytes on. */
export const plus = (at: Pointer, bytes: number): Pointer => pointer(at + bytes);

/** The pointer so many f32 values on. */
export const plusFloats = (at: Pointer, floats: number): Pointer => plus(at, 4 * floats);
