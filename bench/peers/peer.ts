/**
 * The Node side of a peer: reads its inputs, reports that it is ready, then follows the lines of stdin (see
 * src/bench/peer-process.ts) until they end.
 */

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Answer } from '../../src/bench/peer-process.js';
import { digest, median } from '../../src/bench/statistics.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { StateDict, Tensor } from '../../src/network/state.js';

type Result = ArrayLike<number>;

/**
 * Does the work once and resolves, with everything computed, to its result: one number, or images NHWC; or to a function
 * that converts them to that order, outside of the measured time.
 */
export type Work = () => Promise<Result | (() => Result)>;

const { values, positionals } = parseArgs({
  options: { threads: { type: 'string', default: '1' } },
  allowPositionals: true,
});

/** The task's file, and the other words of the command line. */
export const [file = '', ...words] = positionals;
export const threads = Number(values.threads);

/** Requires packages of bench/peers/package.json, which the main install does not have. */
export const requirePeer = createRequire(
  new URL('../../../bench/peers/package.json', import.meta.url),
);

/** The tensors of the task. */
export async function readTask() {
  const { tensors } = await readSafetensors(file);
  return {
    f32: (name: string) => tensors.get(name)!.data as Float32Array,
    shape: (name: string) => tensors.get(name)!.shape,
    tensors,
  };
}

/** The weights and the batch for all U-Nets; images are f32 [batch, size, size, channels]. */
export async function readUnetTask() {
  const { tensors, f32, shape } = await readTask();
  const prefix = 'state/';
  const state: StateDict = new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]): [string, Tensor] => [name.slice(prefix.length), tensor]),
  );
  const [batch = 0, size = 0, , channels = 0] = shape('xt');
  const t = Int32Array.from(tensors.get('t')!.data, Number);
  return { state, batch, size, channels, xt: f32('xt'), noise: f32('noise'), t };
}

/** Serves until stdin ends. `threads` if not as on the command line. A result of one number is its own digest. */
export async function serve(
  version: string,
  works: Readonly<Record<string, Work>>,
  threads?: number,
): Promise<void> {
  const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
  say({ version, threads });
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, repeat } = JSON.parse(line) as { work: string; repeat: number };
    const times: number[] = [];
    let last: Awaited<ReturnType<Work>> = [];
    for (let i = 0; i < repeat; i++) {
      const begun = performance.now();
      last = await works[work]!();
      times.push(performance.now() - begun);
    }
    const result = typeof last === 'function' ? last() : last;
    const summary = result.length === 1 ? Array.from(result) : digest(result);
    say({ ms: median(times), digest: summary } satisfies Answer);
  }
  process.exit(0);
}
