import { workerData } from 'node:worker_threads';
import { Claims } from './claims.js';
import { ARENA, abort, BARRIER, statusWord } from './control.js';
import { instantiate } from './module.js';
import { Patience } from './patience.js';
import type { Call, Program } from './program.js';

/** What every worker of a pool gets when it starts. */
export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Vectors of 256 bits; see `hasWideVectors`. */
  readonly wide: boolean;
}

/** A program, run for each step in [from, to). */
export interface Run {
  readonly programId: number;
  /** The program as JSON in shared memory: handed over by reference, parsed once a worker. */
  readonly program: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
}

/** One worker's part of one or more runs: share `rank` of `size`. */
export interface Task {
  readonly rank: number;
  readonly size: number;
  /** The status line in which it says where it is. */
  readonly line: number;
  readonly runs: readonly Run[];
}

type Given = Call['args'][number];

/** Sleeps at the barrier are cut into slices this long, so that an abort is seen soon. Nanoseconds. */
const WAIT = 100_000_000n;

/** What the barrier returns; see assembly/barrier.ts. */
const ABORTED = 1;
const SLEPT = 2;

const data = workerData as WorkerData;
const kernels = instantiate(data.module, data.memory, data.wide);
const words = new Int32Array(data.memory.buffer, 0, ARENA >> 2);
const programs = new Map<number, Program>();
/** Outlives a task: a step is one. */
let patience: Patience | undefined;

/** Walks the task's programs, one after the other. Resolves to milliseconds by section, or null after an abort. */
export default function walk(task: Task): Record<string, number> | null {
  const times: Record<string, number> = {};
  try {
    const claims = new Claims(words, task.rank, task.size);
    if (!meet(task)) return null;
    for (const [index, run] of task.runs.entries())
      if (!walkRun(task, claims, index, run, times)) return null;
  } catch (error) {
    // Whoever computes alone leaves nobody waiting.
    if (task.size > 1) abort(data.memory.buffer);
    throw error;
  }
  return times;
}

function walkRun(
  task: Task,
  claims: Claims,
  index: number,
  run: Run,
  times: Record<string, number>,
): boolean {
  const program = load(run);
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
          perform(call, task, claims, step, c);
        }
        if (!meet(task)) return false;
        claims.next();
      }
      times[section.name] = (times[section.name] ?? 0) + performance.now() - start;
    }
  }
  return true;
}

/** Waits for the other workers; false after an abort. */
function meet({ size }: Task): boolean {
  if (patience?.workers !== size) patience = new Patience(size);
  const said = kernels.barrier(BARRIER, size, patience.spins, WAIT);
  patience.learn((said & SLEPT) !== 0);
  return (said & ABORTED) === 0;
}

function load({ programId, program }: Run): Program {
  let parsed = programs.get(programId);
  if (!parsed) {
    parsed = JSON.parse(new TextDecoder().decode(new Uint8Array(program).slice())) as Program;
    programs.set(programId, parsed);
  }
  return parsed;
}

function perform(call: Call, { rank }: Task, claims: Claims, step: number, index: number): void {
  const run = kernel(call.kernel);
  const args = call.args.map((argument) => resolve(argument, step, rank));
  claims.run(call, index, (begin, end) => {
    run(...args, begin, end);
  });
}

function resolve(argument: Given, step: number, rank: number): number | boolean {
  if (typeof argument !== 'object') return argument;
  return 'perStep' in argument
    ? argument.base + argument.perStep * step
    : argument.base + argument.perWorker * rank;
}

/** A kernel that takes its arguments as they come: a program was checked where it was made. */
function kernel(name: Call['kernel']): (...args: readonly (number | boolean)[]) => void {
  const found = kernels[name];
  if (!found) throw new Error(`no kernel is called ${name}`);
  return found as (...args: readonly (number | boolean)[]) => void;
}
