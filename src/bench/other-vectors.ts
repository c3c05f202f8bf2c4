/**
 * Haze with the other vector width, in a separate process: once wide vectors are enabled, V8 uses them for everything it compiles
 * in a process, so one process cannot measure both. It uses the protocol of peers (peer-process.ts).
 */
import { fileURLToPath } from 'node:url';
import { host } from '../engine/host/index.js';
import type { Pass } from './models.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours as pathOf, variants } from './paths.js';
import { PeerProcess } from './peer-process.js';
import type { Contender } from './rounds.js';

/** What the process computes: a U-Net on seeded inputs. */
export interface OtherTask extends Omit<NamedModel, 'name'> {
  readonly batch: number;
  readonly seed: number;
  readonly what: Pass;
  readonly threads: number;
  readonly strict: boolean;
  readonly wide: boolean;
}

/** The contender and a function that ends it; null if this machine has only one vector width. */
export async function openOtherVectors(
  options: Pick<BenchOptions, 'computing' | 'seed'>,
  one: Pick<OtherTask, 'model' | 'recipe' | 'batch' | 'what'>,
): Promise<{ readonly contender: Contender; end(): Promise<void> } | null> {
  const { build, threads, wide: ours } = variants(options)[0]!;
  const wide = !ours;
  if (wide && host.lackOfWideVectors() !== null) return null;
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
    path: pathOf({ device: 'wasm', arithmetic: null, build, wide, threads }),
    check: async () => (await child.ask(what, 1)).digest,
    turn: async () => (await child.ask(what, 1)).ms,
  };
  return { contender, end: () => child.end() };
}
