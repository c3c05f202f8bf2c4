/** What a benchmark finds, as plain data: the contents of `--json`, and what tables, plots and comparisons are made of. */
import type { LayerTime } from '../engine/network/layer-times.js';
import { median, quartiles } from './statistics.js';

export const SUBJECTS = ['arithmetic', 'preprocess', 'unet', 'sample', 'generate'] as const;

export type Subject = (typeof SUBJECTS)[number];

/** One piece of work on inputs of one size, which several paths do. */
export interface Work {
  readonly subject: Subject;
  /** `forward`, `train`, `reverse step`, `ancestral`, `load`, or a kernel. */
  readonly what: string;
  /** Preset, or the widths; null where no model takes part. */
  readonly model: string | null;
  readonly batch: number;
  /** Side of the images in pixels. */
  readonly size: number;
  /** Images in all, where they are more than a batch. Then each path has a batch of its own. */
  readonly images?: number;
  /** Reverse steps of an image, where images are sampled. */
  readonly steps?: number;
  /** Busy processes that ran all the while; none where it is left out. */
  readonly beside?: number;
}

/** One way to do the work: the parts of a row that say which. */
export interface Path {
  /** `haze`, `plain JS`, `sharp`, or the name of a peer. */
  readonly by: string;
  readonly device: 'wasm' | 'tensorflow' | null;
  readonly arithmetic: 'wasm' | 'tensorflow' | null;
  /** Build of the kernels, where they ran. */
  readonly build: 'strict' | 'relaxed' | null;
  /** Haze's with vectors of 256 bits, where the wasm engine ran. */
  readonly wide?: boolean;
  /** Threads it was told to use; null where it does not let itself be told. */
  readonly threads: number | null;
  /** Images that it takes at one time, where that is not the work's. */
  readonly batch?: number;
}

/** A path's times. */
export interface Result extends Work, Path {
  readonly batch: number;
  /** Milliseconds of the whole work: the median of the rounds, and its quartiles. */
  readonly ms: number;
  readonly spread: readonly [low: number, high: number];
  /** Of a reverse step, where the work is one: then an image has `steps` of them. */
  readonly msPerStep?: number;
  readonly msPerImage: number;
  readonly imagesPerSecond: number;
  /** Milliseconds of each round, in their order. */
  readonly rounds: readonly number[];
}

/** A path that could not be measured, and what mends that. */
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
  readonly forward: readonly LayerTime[];
  readonly train: readonly LayerTime[];
}

/** A row of the results from the milliseconds of each round. */
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

/** The work in words: `unet forward, reference, batch 8, 64x64`. */
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

/** The path in words: `haze, wasm, relaxed, 2 threads`. */
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

/** A row's time over that of the same path without busy processes; null where none ran beside it, or it was not measured so. */
export function overIdle(row: Result, all: readonly Result[]): number | null {
  const { beside, ...idle } = row;
  if (beside === undefined) return null;
  const isIdle = (other: Result) =>
    workName(other) === workName(idle) && pathName(other) === pathName(row);
  const other = all.find(isIdle);
  return other ? row.ms / other.ms : null;
}

/** Results by the work that they did, in their order. */
export function byWork<T extends Work>(rows: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const name = workName(row);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()];
}
