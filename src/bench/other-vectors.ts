/**
 * Haze with vectors of the other width, as a process of its own: V8 compiles everything in a process with wide vectors once they
 * have been asked for, so one process cannot hold both. It serves as peers do (peer-process.ts).
 */
import { fileURLToPath } from 'node:url';
import { host } from '../engine/host/index.js';
import type { Pass } from './models.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours, variants } from './paths.js';
import { PeerProcess } from './peer-process.js';
import type { Contender } from './rounds.js';

/** What the process computes: a U-Net on the seed's inputs. */
export interface OtherTask extends Omit<NamedModel, 'name'> {
  readonly batch: number;
  readonly seed: number;
  readonly what: Pass;
  readonly threads: number;
  readonly strict: boolean;
  readonly wide: boolean;
}

/** The contender and how to end it; null where this machine has vectors of one width alone. */
export async function openOtherVectors(
  options: Pick<BenchOptions, 'computing' | 'seed'>,
  one: Pick<OtherTask, 'model' | 'recipe' | 'batch' | 'what'>,
): Promise<{ readonly contender: Contender; end(): Promise<void> } | null> {
  const wide = !options.computing.wide;
  if (wide && host.lackOfWideVectors() !== null) return null;
  const { build, threads } = variants(options)[0]!;
  const { model, recipe, batch, what } = one;
  const task: OtherTask = {
    ...{ model, batch, what, threads, wide },
    ...(recipe && { recipe }),
    ...{ seed: options.seed, strict: build === 'strict' },
  };
  const script = fileURLToPath(new URL('./other-process.js', import.meta.url));
  const args = [script, JSON.stringify(task)];
  const child = new PeerProcess('haze', { program: process.execPath, args });
  await child.ready();
  const contender: Contender = {
    path: ours({ device: 'wasm', arithmetic: null, build, wide, threads }),
    check: async () => (await child.ask(what, 1)).digest,
    turn: async () => (await child.ask(what, 1)).ms,
  };
  return { contender, end: () => child.end() };
}
