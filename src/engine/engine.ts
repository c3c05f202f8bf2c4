import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { EngineError, UsageError } from '../errors.js';
import { abort, MAX_WORKERS, position } from './control.js';
import { type Build, bestBuild, compile, createMemory } from './module.js';
import type { Program } from './program.js';
import type { Task, WorkerData } from './worker.js';

export interface EngineOptions {
  /** Workers; default all cores. */
  readonly threads?: number;
  /** Forces the strict build; default the best one this machine runs. */
  readonly strict?: boolean;
  /** Bytes of shared memory, as an Arena planned them. */
  readonly bytes: number;
}

/** A program as the engine keeps it. */
export interface LoadedProgram {
  readonly id: number;
  readonly program: Program;
  readonly encoded: SharedArrayBuffer;
}

/** Milliseconds by section name, as worker 0 saw them. */
export type Times = Record<string, number>;

/**
 * N workers over one shared memory. One Piscina task a worker runs a whole program, since a task costs
 * hundreds of microseconds and a step has hundreds of kernel calls.
 */
export class Engine {
  readonly threads: number;
  readonly build: Build;
  readonly memory: WebAssembly.Memory;
  private readonly pool: Piscina;
  private programs = 0;
  /** Why no further run is possible. */
  private broken: EngineError | undefined;

  private constructor(threads: number, build: Build, memory: WebAssembly.Memory, pool: Piscina) {
    this.threads = threads;
    this.build = build;
    this.memory = memory;
    this.pool = pool;
  }

  /** @throws UsageError for a bad thread count; EngineError when the memory cannot be had. */
  static create(options: EngineOptions): Engine {
    const threads = options.threads ?? availableParallelism();
    if (!Number.isInteger(threads) || threads < 1 || threads > MAX_WORKERS)
      throw new UsageError(
        `--threads: expected a whole number from 1 to ${MAX_WORKERS}, got ${threads}`,
      );
    const build: Build = options.strict ? 'strict' : bestBuild();
    const module = compile(build);
    const memory = allocate(options.bytes);
    const workerData: WorkerData = { module, memory };
    const pool = new Piscina({
      filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      workerData,
      execArgv: [],
    });
    pool.on('error', () => {}); // A lost worker fails its task, which `run` reports.
    return new Engine(threads, build, memory, pool);
  }

  /** For headers: `relaxed SIMD, 2 threads`. */
  get description(): string {
    return `${this.build} SIMD, ${this.threads} thread${this.threads === 1 ? '' : 's'}`;
  }

  load(program: Program): LoadedProgram {
    const json = new TextEncoder().encode(JSON.stringify(program));
    const encoded = new SharedArrayBuffer(json.byteLength);
    new Uint8Array(encoded).set(json);
    return { id: this.programs++, program, encoded };
  }

  /**
   * Runs the program on all workers for each step in [from, to).
   * @throws EngineError naming worker and kernel; the engine is of no use after one.
   */
  async run(loaded: LoadedProgram, from = 0, to = 1): Promise<Times> {
    if (this.broken) throw this.broken;
    const task = { size: this.threads, programId: loaded.id, program: loaded.encoded, from, to };
    const tasks = Array.from({ length: this.threads }, async (_, rank): Promise<Times | null> => {
      try {
        return (await this.pool.run({ ...task, rank } satisfies Task)) as Times | null;
      } catch (cause) {
        this.broken ??= this.describe(loaded, rank, cause);
        abort(this.memory.buffer);
        return null;
      }
    });
    const [first] = await Promise.all(tasks);
    if (this.broken) throw this.broken;
    return first ?? {};
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** Ends the workers; safe to call twice. */
  async destroy(): Promise<void> {
    this.broken ??= new EngineError('the engine was shut down');
    abort(this.memory.buffer);
    await this.pool.destroy();
  }

  private describe(loaded: LoadedProgram, rank: number, cause: unknown): EngineError {
    const at = position(this.memory.buffer, rank);
    const kernel = loaded.program[at.section]?.phases[at.phase]?.[at.call]?.kernel ?? 'no kernel';
    const why = cause instanceof Error ? cause.message : String(cause);
    return new EngineError(`worker ${rank} stopped while running ${kernel}: ${why}`, { cause });
  }
}

function allocate(bytes: number): WebAssembly.Memory {
  try {
    return createMemory(bytes);
  } catch (cause) {
    throw new EngineError(
      `the system refused ${(bytes / 2 ** 30).toFixed(2)} GiB of shared memory`,
      {
        cause,
      },
    );
  }
}
