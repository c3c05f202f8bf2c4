/** The platforms of the libraries that set-up fetches. */
import { UsageError } from '../../errors.js';

/** The gap on platforms other than Linux x64; undefined there. */
export function otherPlatform(
  platform: string = process.platform,
  arch: string = process.arch,
): { readonly what: string; readonly fix: string } | undefined {
  if (platform === 'linux' && arch === 'x64') return undefined;
  return {
    what: `libtensorflow can only be set up on Linux x64; this is ${platform} on ${arch}`,
    fix: 'use --device wasm, which runs wherever Node does',
  };
}

/** @throws UsageError if there are no libraries for the platform; `prefix` says who needs them. */
export function checkPlatform(prefix: string, other = otherPlatform()): void {
  if (other) throw new UsageError(`${prefix}${other.what}; ${other.fix}`);
}
