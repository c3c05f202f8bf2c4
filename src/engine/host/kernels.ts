import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import v8 from 'node:v8';
import { readText } from '../../machine/read-text.js';
import type { Build } from '../module.js';
import { hasRelaxedSimd } from './relaxed-probe.js';

/** The kernels' files, and which of them this Node can run. */

/**
 * The fastest build that this machine can run. Node 20 has relaxed SIMD behind a V8 flag, which workers inherit; later versions
 * of V8, where it is always on, no longer know the flag and complain on stderr.
 */
export function bestBuild(): Build {
  if (!hasRelaxedSimd()) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return hasRelaxedSimd() ? 'relaxed' : 'strict';
}

/** V8 compiles pairs of neighbouring vectors as one of 256 bits, wherever it finds a pair: all kernels may gain. */
const REVECTORIZE = '--experimental-wasm-revectorize';

/** The first V8 that joins the vectors of the kernels' larger blocks: that of Node 24. */
const WIDE_V8 = 13;

/** The last V8 under which the whole test suite has run with joined vectors: that of Node 26. */
const LAST_TESTED_V8 = 14;

/** The properties of the machine that wide vectors depend on. */
interface WideMachine {
  readonly arch: string;
  readonly versions: { readonly v8: string; readonly node: string };
  /** Features of the processor; null if they are not known. */
  readonly features: string | null;
}

/** Why V8 cannot join pairs of vectors into 256-bit ones here, as `expected …, got …`; null if it can. */
export function lackOfWideVectors(
  { arch, versions, features }: WideMachine = thisMachine(),
): string | null {
  if (arch !== 'x64') return `expected an x64 processor, got ${arch}`;
  if (Number.parseInt(versions.v8, 10) < WIDE_V8)
    return `expected Node 24 or newer, got Node ${versions.node}`;
  if (features !== null && !/\bavx2\b/.test(features))
    return 'expected a processor with AVX2, got one without';
  return null;
}

/**
 * Whether to join vectors where nobody says. They give the same bits in less time, but are an experiment of V8, so that a version
 * has to be tested with them first.
 */
export const wideByDefault = (machine: WideMachine = thisMachine()): boolean =>
  lackOfWideVectors(machine) === null && Number.parseInt(machine.versions.v8, 10) <= LAST_TESTED_V8;

function thisMachine(): WideMachine {
  const { arch, versions, platform } = process;
  const features = (platform === 'linux' && readText('/proc/cpuinfo')) || null;
  return { arch, versions, features };
}

/** A custom section without effect: V8 caches compiled code by the module's bytes, whatever flags it was compiled with. */
const MARK = [0x00, 0x05, 0x04, ...new TextEncoder().encode('wide')];

const modules = new Map<string, WebAssembly.Module>();

/** Compiled once per thread. With `wide`, V8 joins vectors in everything it compiles from then on. */
export function compile(build: Build, wide = false): WebAssembly.Module {
  const key = `${build} ${wide}`;
  let module = modules.get(key);
  if (!module) {
    if (build === 'relaxed') bestBuild();
    if (wide) v8.setFlagsFromString(REVECTORIZE);
    const bytes = readKernels(build);
    module = new WebAssembly.Module(wide ? Uint8Array.from([...bytes, ...MARK]) : bytes);
    modules.set(key, module);
  }
  return module;
}

function readKernels(build: Build): Buffer {
  const url = new URL(`../../../assembly/haze.${build}.wasm`, import.meta.url);
  return readFileSync(url);
}

/** SHA-256 of the kernels' file. */
export const hashKernels = (build: Build): string =>
  createHash('sha256').update(readKernels(build)).digest('hex');

/** f(a, b, c) = a · b + c by the only relaxed operation in the kernels, whose rounding depends on the processor. */
const MADD_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x01, 0x60, 0x03, 0x7d, 0x7d, 0x7d,
  0x01, 0x7d, 0x03, 0x02, 0x01, 0x00, 0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00, 0x0a, 0x16, 0x01,
  0x14, 0x00, 0x20, 0x00, 0xfd, 0x13, 0x20, 0x01, 0xfd, 0x13, 0x20, 0x02, 0xfd, 0x13, 0xfd, 0x85,
  0x02, 0xfd, 0x1f, 0x00, 0x0b,
]);

/**
 * Whether the relaxed build rounds a · b + c once on this processor, as on nearly all, or twice: only this makes its bits differ
 * between machines. (1 + 2^−12)² is 1 + 2^−11 + 2^−24; rounding in between loses the last term.
 */
export function fusesMultiplyAdd(): boolean {
  if (bestBuild() !== 'relaxed') return false;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MADD_PROBE), {});
  const madd = exports.f as (a: number, b: number, c: number) => number;
  return madd(1 + 2 ** -12, 1 + 2 ** -12, -1 - 2 ** -11) !== 0;
}
