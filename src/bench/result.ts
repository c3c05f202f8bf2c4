/** The findings of a benchmark as plain data: the contents of `--json`, and the source of tables, plots and comparisons. */
import type { LayerTime } from '../engine/network/layer-times.js';
import { median, quartiles } from './statistics.js';

export const SUBJECTS = ['arithmetic', 'preprocess', 'unet', 'sample', 'generate'] as const;

export type Subject = (typeof SUBJECTS)[number];

/** One piece of work on inputs of one size, done by several paths. */
export interface Work {
  readonly subject: Subject;
  /** `forward`, `train`, `reverse step`, `ancestral`, `ddim`, `load`, or a kernel. */
  readonly what: string;
  /** Preset, or the widths; null if no model is involved. */
  readonly model: string | null;
  readonly batch: number;
  /** Side of the images in pixels. */
  readonly size: number;
  /** Images in all, if more than one batch. Then each path has its own batch. */
  readonly images?: number;
  /** Reverse steps per image, if images are sampled. */
  readonly steps?: number;
  /** Busy processes that ran during the measurement; omitted if there were none. */
  readonly beside?: number;
}

/** One way to do the work: the fields that identify a row. */
export interface Path {
  /** `haze`, `plain JS`, `sharp`, or the name of a peer. */
  readonly by: string;
  readonly device: 'wasm' | 'tensorflow' | null;
  readonly arithmetic: 'wasm' | 'tensorflow' | null;
  /** Build of the kernels, if they ran. */
  readonly build: 'strict' | 'relaxed' | null;
  /** Whether Haze used 256-bit vectors, if the wasm engine ran. */
  readonly wide?: boolean;
  /** Threads it was told to use; null if it cannot be told. */
  readonly threads: number | null;
  /** Images at a time, if not the work's batch. */
  readonly batch?: number;
}

/** A path's times. */
export interface Result extends Work, Path {
  readonly batch: number;
  /** Milliseconds of the whole work: the median of the rounds, and its quartiles. */
  readonly ms: number;
  readonly spread: readonly [low: number, high: number];
  /** Per reverse step, if the work is one; an image then takes `steps` of them. */
  readonly msPerStep?: number;
  readonly msPerImage: number;
  readonly imagesPerSecond: number;
  /** Milliseconds of each round, in their order. */
  readonly rounds: readonly number[];
}

/** A path that could not be measured, and why. */
export interface Missing extends Work {
  readonly by: string;
  readonly why: string;
}

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly Result[];
  readonly missing: readonly Missing[];
  /** With `--layers`, else empty. */
  readonly layers: readonly LayerReport[];
}

/** Where the time of a U-Net's passes goes. */
export interface LayerReport {
  readonly model: string;
  readonly batch: number;
  readonly size: number;
  readonly threads: number;
  readonly build: 'strict' | 'relaxed';
  readonly wide: boolean;
  /** GFLOP/s of the micro-kernel on data in the first cache, on all threads at once. */
  readonly peak: number;
  /** GB/s of memory, on all threads at once. */
  readonly bandwidth: number;
  readonly forward: readonly LayerTime[];
  readonly train: readonly LayerTime[];
}

/** A row of the results, from the milliseconds of each round. */
export function toResult(work: Work, path: Path, rounds: readonly number[]): Result {
  const ms = median(rounds);
  const isStep = work.what === 'reverse step';
  const msPerImage = (ms * (isStep ? (work.steps ?? 1) : 1)) / (work.images ?? work.batch);
  return {
    ...work,
    ...path,
    batch: path.batch ?? work.batch,
    ms,
    spread: quartiles(rounds),
    ...(isStep && { msPerStep: ms }),
    msPerImage,
    imagesPerSecond: 1000 / msPerImage,
    rounds,
  };
}

/** The work as text: `unet forward, reference, batch 8, 64x64`. */
export function workName(work: Work): string {
  const { subject, what, model, batch, size, images, steps, beside } = work;
  return [
    `${subject} ${what}`,
    ...(model === null ? [] : [model]),
    images === undefined ? `batch ${batch}` : `${images} images`,
    `${size}x${size}`,
    ...(steps === undefined ? [] : [`${steps} steps an image`]),
    ...(beside === undefined ? [] : [`beside ${beside} busy process${beside === 1 ? '' : 'es'}`]),
  ].join(', ');
}

/** The path as text: `haze, wasm, relaxed, 2 threads`. */
export function pathName(path: Path & Pick<Work, 'images'>): string {
  const { by, device, arithmetic, build, wide, threads, batch, images } = path;
  const where = device ?? arithmetic;
  const both = device !== null && arithmetic !== null && device !== arithmetic;
  const noun = by === 'haze' && images !== undefined ? 'worker' : 'thread';
  const words = [
    by,
    ...(where === null ? [] : [both ? `${device} + ${arithmetic} arithmetic` : where]),
    ...(build === null ? [] : [build]),
    ...(wide ? ['wide'] : []),
    ...(threads === null ? [] : [`${threads} ${noun}${threads === 1 ? '' : 's'}`]),
    ...(images === undefined ? [] : [`batch ${batch}`]),
  ];
  return words.join(', ');
}

/** A row's time over that of the same path without busy processes; null if no busy process ran, or there is no such row. */
export function overIdle(row: Result, all: readonly Result[]): number | null {
  const { beside, ...idle } = row;
  if (beside === undefined) return null;
  const isIdle = (other: Result) =>
    workName(other) === workName(idle) && pathName(other) === pathName(row);
  const other = all.find(isIdle);
  return other ? row.ms / other.ms : null;
}

/** Results grouped by work, in their order. */
export function byWork<T extends Work>(rows: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const name = workName(row);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()];
}
