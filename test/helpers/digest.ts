import { createHash } from 'node:crypto';

/** A short name for the bits of an array. */
export const digest = (values: Float32Array | Uint8Array): string =>
  createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
