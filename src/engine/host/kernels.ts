import { readFileSync } from 'node:fs';
import v8 from 'node:v8';
import type { Build } from '../module.js';

/** The kernels as files, and which of them suits this Node. */

/** A function that uses one relaxed operation; engines without relaxed SIMD refuse to compile it. */
const RELAXED_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b,
  0x01, 0x7b, 0x03, 0x02, 0x01, 0x00, 0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20,
  0x02, 0xfd, 0x85, 0x02, 0x0b,
]);

/**
 * The fastest build this machine runs. Node 20 has relaxed SIMD behind a V8 flag, which workers inherit; where it is always
 * on, later versions of V8 know the flag no more, and say so on stderr.
 */
export function bestBuild(): Build {
  const relaxed = () => WebAssembly.validate(RELAXED_PROBE);
  if (!relaxed()) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return relaxed() ? 'relaxed' : 'strict';
}

/**
 * Whether V8 joins pairs of vectors into vectors of 256 bits, for which the kernels have larger blocks. An experiment of V8's
 * that Haze leaves to the user: `node --experimental-wasm-revectorize`. Earlier versions than 13 (Node 24) do not
 * join what the blocks hold. To be asked outside of workers, which do not see Node's arguments.
 */
export function hasWideVectors({ execArgv, arch, versions }: WideProcess = process): boolean {
  const flag = '--experimental-wasm-revectorize';
  const asked = execArgv.some((arg) => arg.replaceAll('_', '-') === flag);
  return asked && arch === 'x64' && Number.parseInt(versions.v8, 10) >= 13;
}

/** What of `process` decides. */
interface WideProcess {
  readonly execArgv: readonly string[];
  readonly arch: string;
  readonly versions: { readonly v8: string };
}

const modules = new Map<Build, WebAssembly.Module>();

/** Compiled once a thread. */
export function compile(build: Build): WebAssembly.Module {
  let module = modules.get(build);
  if (!module) {
    if (build === 'relaxed') bestBuild();
    const url = new URL(`../../../assembly/haze.${build}.wasm`, import.meta.url);
    module = new WebAssembly.Module(readFileSync(url));
    modules.set(build, module);
  }
  return module;
}
