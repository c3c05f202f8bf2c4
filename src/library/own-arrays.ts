/** The arrays among a drawing's settings. */
const ARRAYS = ['from', 'mask', 'noise'] as const;

/**
 * The settings with copies of their arrays, since a program may change its own after the call. Anything but an object is returned
 * as it is.
 */
export function withOwnArrays<S>(settings: S): S {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return settings;
  const own = { ...settings } as Record<string, unknown>;
  for (const name of ARRAYS) {
    const value = own[name];
    if (value instanceof Float32Array || value instanceof Uint8Array)
      own[name] = new (value instanceof Float32Array ? Float32Array : Uint8Array)(value);
  }
  return own as S;
}
