/** The messages between a page and its worker, and the types that programs use. */
import type { SamplerOptions } from '../diffusion/sampler.js';
import type { SamplerName } from '../diffusion/samplers.js';

/** The settings of `haze sample`, with the library's names. */
export interface DrawSettings
  extends Partial<Omit<SamplerOptions, 'sampler' | 'custom' | 'steps' | 'eta' | 'clamp'>> {
  /** Number of images. Default 16; for several classes whole rows of all of them, up to 48. E.g. `count: 4`. */
  readonly count?: number;
  /** Key of all random numbers. Default 0. Image k of a seed does not depend on the other images. E.g. `seed: 7`. */
  readonly seed?: number;
  /** The sampler. Default the model's own. E.g. `sampler: 'unipc'`. */
  readonly sampler?: SamplerName;
  /** Reverse steps. Default the model's own for its sampler, else the sampler's default. E.g. `steps: 25`. */
  readonly steps?: number;
  /** Noise of `ddim`: 0 is deterministic. Default 0. E.g. `eta: 0.5`. */
  readonly eta?: number;
  /** Clamp the image that each step predicts, to ±`clampRange`. Default the model's own. E.g. `clamp: true`. */
  readonly clamp?: boolean;
  /** The limit of `clamp`. Default 1. E.g. `clampRange: 1.5`. */
  readonly clampRange?: number;
  /** BatchNorm by running statistics, or by the batch's own. Default `running`. E.g. `norm: 'batch'`. */
  readonly norm?: 'running' | 'batch';
  /** For a class-conditional model: the classes that images take in turn, by name or, unless names are numbers, by number; `none` for no class. Default all. E.g. `class: 'bus'`. */
  readonly class?: string | number | readonly (string | number)[];
  /** How strongly images follow their classes, or move away from the model's guide. Default the model's own. E.g. `guidance: 3`. */
  readonly guidance?: number;
  /** Number of workers; 1 if the page is not cross-origin isolated. Default one per processor. E.g. `workers: 2`. */
  readonly workers?: number;
}

/** What a page can offer for a model. */
export interface About {
  /** Side of the square images, and their channels. */
  readonly size: number;
  readonly channels: 1 | 3;
  /** Side and channels of the latents that are drawn, and decoded to the images; null if the images themselves are drawn. */
  readonly latents: { readonly size: number; readonly channels: number } | null;
  /** Names of the classes by label; empty without classes. */
  readonly classes: readonly string[];
  /** Whether the model also draws without a class, so that classes can guide it. */
  readonly none: boolean;
  /** W of the model's guide (other weights); null without a guide. */
  readonly guide: number | null;
  /** Samplers for the model, each with its default number of steps; the model's own first. */
  readonly samplers: readonly { readonly name: SamplerName; readonly steps: number }[];
  readonly mostSteps: number;
  /** Default number of images. */
  readonly count: number;
  /** Build of the kernels: `relaxed` has fused multiply-adds, so its bits differ. */
  readonly build: 'strict' | 'relaxed';
  /** The most workers: more than one if the page is cross-origin isolated. */
  readonly processors: number;
}

/** The drawn images. */
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
  /** The file of its guide, if it has one. */
  readonly guide?: Uint8Array | undefined;
  /** The file of its autoencoder's decoder, if it draws latents. */
  readonly decoder?: Uint8Array | undefined;
}

/** The addresses that a worker needs. */
export interface LoadRequest {
  readonly kernels: { readonly strict: string; readonly relaxed: string };
  /** The folder with `model.json`, or its contents. */
  readonly from: string | ModelBytes;
}

/** A page's request; replies have its number. */
export type Request = { readonly id: number } & (
  | { readonly kind: 'load'; readonly load: LoadRequest }
  | { readonly kind: 'draw'; readonly settings: DrawSettings }
  | { readonly kind: 'cancel' }
);

/** The worker's reply. */
export type Reply = { readonly id: number } & (
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'loaded'; readonly about: About }
  | { readonly kind: 'drawn'; readonly drawn: Drawn }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string }
);
