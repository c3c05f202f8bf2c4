/** Lists workers and runs: they announce themselves every few seconds, under keys that expire when they no longer do. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import { isObject } from '../io/json.js';
import { printable } from '../printable.js';
import { BUILDS, keyOf } from './keys.js';

/** Seconds between two announcements, and after which a silent process counts as gone. */
export const SIGN = 2;
export const GONE = 10;

/** A worker's announcement. Rates are those of the last half minute. */
export interface WorkerSign {
  readonly name: string;
  readonly build: string;
  /** Number of its concurrent batches. */
  readonly lanes: number;
  /** Seconds since it was started. */
  readonly seconds: number;
  readonly images: number;
  readonly imagesPerSecond: number;
  /** Steps of replicas. */
  readonly steps: number;
  readonly stepsPerSecond: number;
  readonly failed: number;
  /** Jobs that have failed since the last one that did not, and why the last one did. */
  readonly inARow: number;
  readonly reason: string;
}

/** The announcement of a `haze generate --queue` or `haze train --queue`. */
export interface RunSign {
  readonly name: string;
  readonly build: string;
  /** The same for every process that trains this run; for images that of the process. */
  readonly id: string;
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
  /** Jobs that it waits for. */
  readonly jobs: number;
}

type Signs = { readonly worker: WorkerSign; readonly run: RunSign };
type Kind = keyof Signs;

/** `host-1234`: a process, for people. */
export const processName = (): string => `${hostname()}-${process.pid}`;

/** `host-1234-ab12`: one of the runs of a process. */
export const runName = (): string => `${processName()}-${randomBytes(2).toString('hex')}`;

const setKey = (kind: Kind) => keyOf(`${kind}s`);

/** Announces a process, and that its build is in use. @throws Redis's errors, e.g. that it is out of memory */
export async function sign<K extends Kind>(redis: Redis, kind: K, about: Signs[K]): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const replies = await redis
    .pipeline()
    .zadd(setKey(kind), now, about.name)
    .zremrangebyscore(setKey(kind), '-inf', now - GONE)
    .set(keyOf(kind, about.name), JSON.stringify(about), 'EX', GONE)
    .zadd(BUILDS, now, about.build)
    .exec();
  for (const [error] of replies ?? []) if (error) throw error;
}

/** Withdraws an announcement. */
export async function leave(redis: Redis, kind: Kind, name: string): Promise<void> {
  await redis.pipeline().zrem(setKey(kind), name).del(keyOf(kind, name)).exec();
}

/** All current announcements. */
export async function present<K extends Kind>(redis: Redis, kind: K): Promise<Signs[K][]> {
  const names = await redis.zrange(setKey(kind), 0, -1);
  if (names.length === 0) return [];
  const found = await redis.mget(names.map((name) => keyOf(kind, name)));
  return found.flatMap((text, i) => {
    const value = text === null ? undefined : parse(text);
    return value ? [{ ...SOUND[kind](value), name: names[i]! } as Signs[K]] : [];
  });
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const number = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : 0;

/** Anybody may write there: values that are not numbers are ignored, and texts are made printable. */
const SOUND: {
  readonly [K in Kind]: (value: Record<string, unknown>) => Omit<Signs[K], 'name'>;
} = {
  worker: (v) => ({
    build: String(v.build),
    lanes: number(v.lanes),
    seconds: number(v.seconds),
    images: number(v.images),
    imagesPerSecond: number(v.imagesPerSecond),
    steps: number(v.steps),
    stepsPerSecond: number(v.stepsPerSecond),
    failed: number(v.failed),
    inARow: number(v.inARow),
    reason: printable(String(v.reason ?? '')),
  }),
  run: (v) => ({
    build: String(v.build),
    id: String(v.id),
    done: number(v.done),
    total: number(v.total),
    imagesPerSecond: number(v.imagesPerSecond),
    jobs: number(v.jobs),
  }),
};

/** A count per second, over the last while. */
export class Rate {
  private readonly seen: { readonly time: number; readonly count: number }[] = [];

  /** Records the total count so far. Returns the rate since the oldest count in the window. */
  of(count: number, time = performance.now() / 1000): number {
    this.seen.push({ time, count });
    while (this.seen.length > 2 && time - this.seen[0]!.time > WINDOW) this.seen.shift();
    const [first] = this.seen;
    return time > first!.time ? (count - first!.count) / (time - first!.time) : 0;
  }
}

/** Seconds of the window. */
const WINDOW = 30;
