import type { Arena } from '../arena.js';
import { type Pointer, plus } from '../pointer.js';

/** What a walk over the steps uses of the memory, and when; then where it lies. */

interface Buffer {
  readonly bytes: number;
  /** First and last moment of its use; both belong to it. */
  from: number;
  to: number;
}

/** Alignment of a buffer, so that no two tensors share a line between workers. */
const ALIGN = 64;

/**
 * Buffers by name whose contents are needed for a time. Those of one group that are not needed at the same time share
 * addresses.
 */
export class Buffers {
  readonly #groups = new Map<string, Map<string, Buffer>>();
  readonly #addresses = new Map<string, Pointer>();

  /** Notes a use at a moment. */
  use(group: string, name: string, bytes: number, moment: number): void {
    const buffers = this.#groups.get(group) ?? new Map<string, Buffer>();
    this.#groups.set(group, buffers);
    const buffer = buffers.get(name);
    if (!buffer) {
      buffers.set(name, { bytes, from: moment, to: moment });
      return;
    }
    buffer.from = Math.min(buffer.from, moment);
    buffer.to = Math.max(buffer.to, moment);
  }

  /** Lays all of them out, group by group. */
  place(arena: Arena): void {
    for (const [group, buffers] of this.#groups) {
      const { offsets, size } = pack([...buffers.values()]);
      const base = arena.bytes(group, size);
      let i = 0;
      for (const name of buffers.keys()) this.#addresses.set(name, plus(base, offsets[i++]!));
    }
  }

  /** Byte address of a buffer that has been placed. */
  at(name: string): Pointer {
    const at = this.#addresses.get(name);
    if (at === undefined) throw new Error(`no buffer is called ${name}`);
    return at;
  }
}

/**
 * Offsets of intervals in time so that those which overlap do not share bytes: largest first, each as low as it fits. Of
 * the orders that were tried for U-Nets this one came closest to the largest sum of what is alive at one time.
 */
export function pack(buffers: readonly Buffer[]): { offsets: number[]; size: number } {
  const offsets = new Array<number>(buffers.length).fill(0);
  const order = [...buffers.keys()].sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  const done: number[] = [];
  let size = 0;
  for (const i of order) {
    const { bytes, from, to } = buffers[i]!;
    const room = Math.ceil(bytes / ALIGN) * ALIGN;
    const beside = done
      .filter((j) => buffers[j]!.from <= to && from <= buffers[j]!.to)
      .sort((a, b) => offsets[a]! - offsets[b]!);
    let at = 0;
    for (const j of beside) {
      if (at + room <= offsets[j]!) break;
      at = Math.max(at, offsets[j]! + Math.ceil(buffers[j]!.bytes / ALIGN) * ALIGN);
    }
    offsets[i] = at;
    size = Math.max(size, at + room);
    done.push(i);
  }
  return { offsets, size };
}
