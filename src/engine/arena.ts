import { UsageError } from '../errors.js';
import type { Room } from '../machine/memory.js';
import { ARENA } from './control.js';
import { MAX_BYTES } from './host/host.js';
import { host } from './host/index.js';
import { type Pointer, pointer } from './pointer.js';

/** Cache-line alignment, so that no two tensors share a line between workers. */
const ALIGN = 64;

/**
 * Lays out the shared memory before anything runs: names and byte addresses; nothing is ever freed.
 */
export class Arena {
  private top = ARENA;
  private readonly sizes = new Map<string, number>();

  /** Address of `floats` f32 values. The memory plan lists them under `group`. */
  floats(group: string, floats: number): Pointer {
    return this.bytes(group, floats * 4);
  }

  bytes(group: string, bytes: number): Pointer {
    const at = this.top;
    this.top += Math.ceil(bytes / ALIGN) * ALIGN;
    this.sizes.set(group, (this.sizes.get(group) ?? 0) + bytes);
    return pointer(at);
  }

  /** Bytes of the layout so far, including the control block. */
  get size(): number {
    return this.top;
  }

  /** Bytes by group, in the order they were first named. */
  get groups(): ReadonlyMap<string, number> {
    return this.sizes;
  }
}

/** The process that a plan is made for. */
export interface Demand {
  readonly threads: number;
  /** Bytes that the process will need beside the plan; default 0. */
  readonly reserve?: number;
}

/** The limit of a plan: the memory available to the process, and at most what WebAssembly can address. */
export function planRoom({ threads, reserve = 0 }: Demand): Room {
  const room = host.memoryRoom(threads, reserve);
  return room.bytes < MAX_BYTES ? room : { bytes: MAX_BYTES };
}

/** @throws UsageError with the memory needed, the memory available, and `hint` (e.g. the largest batch that fits) */
export function checkFits(bytes: number, { bytes: available, of }: Room, hint: () => string): void {
  if (bytes <= available) return;
  throw new UsageError(
    `memory: this needs ${roundedUp(bytes)}, available are ${roundedUp(available)}${of ? ` (${of})` : ''}; ${hint()}`,
  );
}

/** Rounded up, so that the need never reads like the available amount. */
function roundedUp(bytes: number): string {
  const [unit, name] = bytes < GIB ? [GIB / 1024, 'MiB'] : [GIB, 'GiB'];
  return `${(Math.ceil((bytes / unit) * 100) / 100).toFixed(2)} ${name}`;
}

const GIB = 2 ** 30;
