import { EngineError, RunError, UsageError } from '../errors.js';
import { plural } from '../units.js';
import { abort, clearPosition, MAX_WORKERS, type Position, position } from './control.js';
import type { Workers } from './host/host.js';
import { host } from './host/index.js';
import { type Build, createMemory, type KernelChoice } from './module.js';
import type { Program } from './program.js';
import type { Run, Task, Times } from './walker.js';

export type { Times } from './walker.js';

interface KindOptions extends KernelChoice {
  /** Workers; default one per available processor. */
  readonly threads?: number;
}

export interface EngineOptions extends KindOptions {
  /** Bytes of shared memory, as planned by an Arena. */
  readonly bytes: number;
}

/** What an engine computes with. */
interface Kind {
  readonly threads: number;
  readonly build: Build;
  /** Whether V8 joins vectors to 256 bits. */
  readonly wide: boolean;
}

/** A program as stored by the engine. */
export interface LoadedProgram {
  readonly id: number;
  readonly program: Program;
  readonly encoded: ArrayBufferLike;
}

/** A loaded program, to be run for each step in [from, to). */
export interface Part {
  readonly loaded: LoadedProgram;
  readonly from: number;
  readonly to: number;
}

/**
 * N workers over one shared memory. One task per worker runs a whole program, since a task costs
 * hundreds of microseconds and a step has hundreds of kernel calls.
 */
export class Engine {
  readonly threads: number;
  readonly build: Build;
  /** Whether V8 joins vectors to 256 bits. */
  readonly wide: boolean;
  readonly memory: WebAssembly.Memory;
  private readonly workers: Workers;
  private readonly deserted = new AbortController();
  private programs = 0;
  /** Why no further run is possible. */
  private broken: EngineError | undefined;

  private constructor(kind: Kind, memory: WebAssembly.Memory, workers: Workers) {
    this.threads = kind.threads;
    this.build = kind.build;
    this.wide = kind.wide;
    this.memory = memory;
    this.workers = workers;
    workers.onLost(() => this.noticeDesertion());
  }

  /** @throws UsageError for an invalid thread count, and for wide vectors if they are not available; EngineError for memory */
  static create(options: EngineOptions): Engine {
    const { threads, build, wide } = resolved(options);
    const module = host.compile(build, wide);
    const memory = createMemory(options.bytes);
    const room = host.lackOfAddressSpace({ workers: threads, memories: [] });
    if (room !== null) throw new RunError(`${plural(threads, 'worker')}: ${room}`);
    const cores = host.processors();
    const workers = host.startWorkers(threads, { module, memory, wide, cores });
    return new Engine({ threads, build, wide }, memory, workers);
  }

  /** The description of an engine with these options. @throws UsageError like `create` */
  static describe(options: KindOptions): string {
    return describe(resolved(options));
  }

  /** For headers: `relaxed SIMD, 2 threads`. */
  get description(): string {
    return describe(this);
  }

  load(program: Program): LoadedProgram {
    const json = new TextEncoder().encode(JSON.stringify(program));
    return { id: this.programs++, program, encoded: host.share(json) };
  }

  /**
   * Runs the program on all workers for each step in [from, to).
   * @throws EngineError naming worker and kernel; the engine cannot be used after one
   */
  async run(loaded: LoadedProgram, from = 0, to = 1): Promise<Times> {
    if (this.broken) throw this.broken;
    const parts = [{ loaded, from, to }];
    const tasks = Array.from({ length: this.threads }, async (_, rank): Promise<Times | null> => {
      try {
        return await this.perform({ rank, size: this.threads, line: rank, runs: parts.map(run) });
      } catch (cause) {
        this.broken ??= this.describe(parts, rank, cause);
        abort(this.memory.buffer);
        return null;
      }
    });
    const [first] = await Promise.all(tasks);
    if (this.broken) throw this.broken;
    return first ?? {};
  }

  /**
   * Runs whole parts one after the other on one worker, without barriers and independent of other workers.
   * The caller makes sure that concurrent runs write to different memory. `line`, below `threads` and used by one run
   * at a time, identifies the run for `where` and errors.
   * @throws EngineError naming kernel and reason; the engine then has a new worker, and the run may be repeated
   */
  async runAlone(line: number, parts: readonly Part[]): Promise<Times> {
    if (this.broken) throw this.broken;
    clearPosition(this.memory.buffer, line);
    let times: Times | null;
    try {
      times = await this.perform({ rank: 0, size: 1, line, runs: parts.map(run) });
    } catch (cause) {
      throw this.broken ?? this.describe(parts, line, cause);
    }
    if (times) return times;
    throw this.broken ?? new EngineError('the run was aborted');
  }

  /** The position of the run with this status line. */
  where(line: number): Position {
    return position(this.memory.buffer, line);
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** Ends the workers; safe to call twice. */
  async destroy(): Promise<void> {
    this.broken ??= new EngineError('the engine was shut down');
    abort(this.memory.buffer);
    await this.workers.destroy();
  }

  private async perform(task: Task): Promise<Times | null> {
    return this.workers.run(task, this.deserted.signal);
  }

  /** A worker that fails while it starts is not replaced: once none is left, tasks would wait forever. */
  private noticeDesertion(): void {
    if (this.workers.count > 0) return;
    this.broken ??= new EngineError('all workers are lost, and none could be started');
    this.deserted.abort();
  }

  private describe(parts: readonly Part[], line: number, cause: unknown): EngineError {
    const at = this.where(line);
    const program = parts[at.run]?.loaded.program;
    const kernel = program?.[at.section]?.phases[at.phase]?.[at.call]?.kernel ?? 'no kernel';
    const why = cause instanceof Error ? cause.message : String(cause);
    return new EngineError(`worker ${line} stopped while running ${kernel}: ${why}`, { cause });
  }
}

const run = ({ loaded, from, to }: Part): Run => ({
  programId: loaded.id,
  program: loaded.encoded,
  from,
  to,
});

/** @throws UsageError for an invalid thread count, and for wide vectors if they are not available */
function resolved(options: KindOptions): Kind {
  const threads = options.threads ?? host.processors();
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_WORKERS)
    throw new UsageError(
      `--threads: expected a whole number from 1 to ${MAX_WORKERS}, got ${threads}`,
    );
  const build: Build = options.strict ? 'strict' : host.bestBuild();
  const wide = options.wide ?? host.wideByDefault();
  const lack = wide ? host.lackOfWideVectors() : null;
  if (lack !== null) throw new UsageError(`--wide: ${lack}`);
  return { threads, build, wide };
}

function describe({ threads, build, wide }: Kind): string {
  const vectors = wide ? ' of 256 bits' : '';
  return `${build} SIMD${vectors}, ${plural(threads, 'thread')}`;
}
