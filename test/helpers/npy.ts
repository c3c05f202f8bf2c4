import { npyHeader } from '../../src/io/npy.js';

/** The bytes of an array as np.save writes them. */
export const npy = (shape: readonly number[], dtype: string, data: Uint8Array): Buffer =>
  Buffer.concat([npyHeader(shape, dtype), data]);
