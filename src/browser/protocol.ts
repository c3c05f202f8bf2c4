/** What a page and the worker that computes for it say to each other, and what programs give and get. */
import type { SamplerOptions } from '../diffusion/sampler.js';
import type { SamplerName } from '../diffusion/samplers.js';

/** The settings of `haze sample`, by the names that the library gives them. */
export interface DrawSettings
  extends Partial<Omit<SamplerOptions, 'sampler' | 'custom' | 'steps' | 'eta' | 'clamp'>> {
  /** Images. Default 16, of a model of several classes whole rows of all, up to 48. E.g. `count: 4`. */
  readonly count?: number;
  /** Key of all random numbers. Default 0. Image k of a seed is the same whatever is made beside it. E.g. `seed: 7`. */
  readonly seed?: number;
  /** How to go back from noise. Default the model's own. E.g. `sampler: 'unipc'`. */
  readonly sampler?: SamplerName;
  /** Reverse steps. Default the model's own with its sampler, else what suits the sampler. E.g. `steps: 25`. */
  readonly steps?: number;
  /** Noise of `ddim`: 0 is deterministic. Default 0. E.g. `eta: 0.5`. */
  readonly eta?: number;
  /** Clamp the image that each step foresees, to ±`clampRange`. Default the model's own. E.g. `clamp: true`. */
  readonly clamp?: boolean;
  /** Largest value that `clamp` leaves. Default 1. E.g. `clampRange: 1.5`. */
  readonly clampRange?: number;
  /** BatchNorm by running statistics, or by the batch's own. Default `running`. E.g. `norm: 'batch'`. */
  readonly norm?: 'running' | 'batch';
  /** Of a model of classes: those that images take in turn, by name or number; `none` for none. Default all. E.g. `class: 'bus'`. */
  readonly class?: string | number | readonly (string | number)[];
  /** How strongly images follow their classes, or move away from the model's guide. Default the model's own. E.g. `guidance: 3`. */
  readonly guidance?: number;
  /** Workers that compute; 1 where the page is not cross-origin isolated. Default one a processor. E.g. `workers: 2`. */
  readonly workers?: number;
}

/** What a page may offer of a model. */
export interface About {
  /** Side of the square images, and their channels. */
  readonly size: number;
  readonly channels: 1 | 3;
  /** Names of the classes by label; empty of a model that is told none. */
  readonly classes: readonly string[];
  /** Whether images of no class can be drawn, and guidance away from them. */
  readonly none: boolean;
  /** W of the model's guide, which other weights are; null of a model without. */
  readonly guide: number | null;
  /** Samplers of the model, each with its usual steps; the model's own first. */
  readonly samplers: readonly { readonly name: SamplerName; readonly steps: number }[];
  readonly mostSteps: number;
  /** Images that are drawn unless a number is given. */
  readonly count: number;
  /** The kernels: `relaxed` has fused multiply-adds, and other bits. */
  readonly build: 'strict' | 'relaxed';
  /** Workers that may compute: more than one where the page is cross-origin isolated. */
  readonly processors: number;
}

/** Images that were drawn. */
export interface Drawn {
  /** f32 [count, size, size, channels], around [-1, 1], not clamped. */
  readonly images: Float32Array<ArrayBuffer>;
  /** The same as bytes. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  /** All images in a grid, as `haze sample` draws it: u8 [height, width, channels]. */
  readonly grid: {
    readonly data: Uint8Array<ArrayBuffer>;
    readonly width: number;
    readonly height: number;
  };
}

/** A description of a model (`model.json`), and its weights' bytes. */
export interface ModelBytes {
  /** The parsed `model.json`. */
  readonly model: unknown;
  /** The file that it names under `weights`. */
  readonly weights: Uint8Array;
  /** The file of its guide; only of a model that has one. */
  readonly guide?: Uint8Array;
}

/** Where a worker finds what it needs. */
export interface LoadRequest {
  readonly kernels: { readonly strict: string; readonly relaxed: string };
  /** The folder of `model.json`, or what is in it. */
  readonly from: string | ModelBytes;
}

/** What a page asks; answers have its number. */
export type Request = { readonly id: number } & (
  | { readonly kind: 'load'; readonly load: LoadRequest }
  | { readonly kind: 'draw'; readonly settings: DrawSettings }
  | { readonly kind: 'cancel' }
);

/** What the worker says. */
export type Reply = { readonly id: number } & (
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'loaded'; readonly about: About }
  | { readonly kind: 'drawn'; readonly drawn: Drawn }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string }
);
