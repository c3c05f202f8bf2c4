import { ABORTED, SLEPT } from '../../assembly/constants.js';
import { Claims } from './claims.js';
import { ARENA, abort, BARRIER, statusWord } from './control.js';
import { type Exports, instantiate } from './module.js';
import { Patience } from './patience.js';
import type { Call, Program } from './program.js';

/** The data that every worker starts with. */
export interface WalkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Whether to use 256-bit vectors; see `lackOfWideVectors`. */
  readonly wide: boolean;
  /** Processors available to all workers together. */
  readonly cores: number;
}

/** A program, run for each step in [from, to). */
export interface Run {
  readonly programId: number;
  /** The program as JSON in shared memory, so passed by reference; parsed once per worker. */
  readonly program: ArrayBufferLike;
  readonly from: number;
  readonly to: number;
}

/** One worker's part of one or more runs: share `rank` of `size`. */
export interface Task {
  readonly rank: number;
  readonly size: number;
  /** The status line for its position. */
  readonly line: number;
  readonly runs: readonly Run[];
}

type Given = Call['args'][number];

/** Sleeps at the barrier are split into slices of this length, so that an abort is noticed soon. Nanoseconds. */
const WAIT = 100_000_000n;

/** Milliseconds by section name. */
export type Times = Record<string, number>;

/** A worker's side of the engine: it walks programs over the shared memory. */
export class Walker {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Exports;
  readonly #words: Int32Array;
  readonly #cores: number;
  readonly #programs = new Map<number, Program>();
  /** Kept across tasks: a step is one. */
  #patience: Patience | undefined;

  constructor({ module, memory, wide, cores }: WalkerData) {
    this.#memory = memory;
    this.#kernels = instantiate(module, memory, wide);
    this.#words = new Int32Array(memory.buffer, 0, ARENA >> 2);
    this.#cores = cores;
  }

  /** Walks the task's programs, one after the other. Returns milliseconds by section, or null after an abort. */
  walk(task: Task): Times | null {
    const times: Times = {};
    try {
      const claims = new Claims(this.#words, task.rank, task.size);
      if (!this.#meet(task)) return null;
      for (const [index, run] of task.runs.entries())
        if (!this.#walkRun(task, claims, index, run, times)) return null;
    } catch (error) {
      // With a single worker nobody waits.
      if (task.size > 1) abort(this.#memory.buffer);
      throw error;
    }
    return times;
  }

  #walkRun(task: Task, claims: Claims, index: number, run: Run, times: Times): boolean {
    const program = this.#load(run);
    const words = this.#words;
    const status = statusWord(task.line);
    words[status + 3] = index;
    for (let step = run.from; step < run.to; step++) {
      words[status + 4] = step;
      for (const [s, section] of program.entries()) {
        const start = performance.now();
        for (const [p, phase] of section.phases.entries()) {
          words[status] = s;
          words[status + 1] = p;
          for (const [c, call] of phase.entries()) {
            words[status + 2] = c;
            this.#perform(call, task, claims, step, c);
          }
          if (!this.#meet(task)) return false;
          claims.next();
        }
        times[section.name] = (times[section.name] ?? 0) + performance.now() - start;
      }
    }
    return true;
  }

  /** Waits for the other workers; false after an abort. */
  #meet({ size }: Task): boolean {
    if (this.#patience?.workers !== size) this.#patience = new Patience(size, this.#cores);
    const said = this.#kernels.barrier(BARRIER, size, this.#patience.spins, WAIT);
    this.#patience.learn((said & SLEPT) !== 0);
    return (said & ABORTED) === 0;
  }

  #load({ programId, program }: Run): Program {
    let parsed = this.#programs.get(programId);
    if (!parsed) {
      parsed = JSON.parse(new TextDecoder().decode(new Uint8Array(program).slice())) as Program;
      this.#programs.set(programId, parsed);
    }
    return parsed;
  }

  #perform(call: Call, { rank }: Task, claims: Claims, step: number, index: number): void {
    const run = this.#kernel(call.kernel);
    const args = call.args.map((argument) => resolve(argument, step, rank));
    claims.run(call, index, (begin, end) => {
      run(...args, begin, end);
    });
  }

  /** A kernel without typed arguments: a program was checked when it was made. */
  #kernel(name: Call['kernel']): (...args: readonly (number | boolean)[]) => void {
    const found = this.#kernels[name];
    if (!found) throw new Error(`no kernel is called ${name}`);
    return found as (...args: readonly (number | boolean)[]) => void;
  }
}

function resolve(argument: Given, step: number, rank: number): number | boolean {
  if (typeof argument !== 'object') return argument;
  if ('perStep' in argument) return argument.base + argument.perStep * step;
  const { base, perWorker, workers } = argument;
  // It would overwrite what lies behind the others' scratch.
  if (rank >= workers) throw new Error(`only ${workers} workers have scratch for it`);
  return base + perWorker * rank;
}
