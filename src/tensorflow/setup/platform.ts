/** Where the libraries that set-up fetches run. */
import { UsageError } from '../../errors.js';

/** What there is to say and do on another platform than Linux on x64; undefined on that one. */
export function otherPlatform(
  platform: string = process.platform,
  arch: string = process.arch,
): { readonly what: string; readonly mend: string } | undefined {
  if (platform === 'linux' && arch === 'x64') return undefined;
  return {
    what: `libtensorflow is set up on Linux on x64 alone; this is ${platform} on ${arch}`,
    mend: 'use --device wasm, which runs wherever Node does',
  };
}

/** @throws UsageError where there are no libraries; `prefix` says who asks for them. */
export function checkPlatform(prefix: string, other = otherPlatform()): void {
  if (other) throw new UsageError(`${prefix}${other.what}; ${other.mend}`);
}
