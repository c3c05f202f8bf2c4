import type { Arena } from '../arena.js';
import { type Pointer, plus } from '../pointer.js';

/** Which memory a walk over the steps uses, and when; then where it is placed. */

interface Buffer {
  readonly bytes: number;
  /** First and last moment of its use, inclusive. */
  from: number;
  to: number;
}

/** Alignment of a buffer, so that no two tensors share a cache line between workers. */
const ALIGN = 64;

/**
 * Buffers by name, each with a lifetime. Buffers of one group whose lifetimes do not overlap share
 * addresses.
 */
export class Buffers {
  readonly #groups = new Map<string, Map<string, Buffer>>();
  readonly #addresses = new Map<string, Pointer>();

  /** Records a use at a moment. */
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

  /** Places all of them, group by group. */
  place(arena: Arena): void {
    for (const [group, buffers] of this.#groups) {
      const { offsets, size } = pack([...buffers.values()]);
      const base = arena.bytes(group, size);
      let i = 0;
      for (const name of buffers.keys()) this.#addresses.set(name, plus(base, offsets[i++]!));
    }
  }

  /** Byte address of a placed buffer. */
  at(name: string): Pointer {
    const at = this.#addresses.get(name);
    if (at === undefined) throw new Error(`no buffer is called ${name}`);
    return at;
  }
}

/**
 * Offsets such that intervals that overlap in time do not share bytes: largest first, each as low as it fits. For
 * U-Nets this order came closest, of those tried, to the largest sum of buffers alive at once.
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
