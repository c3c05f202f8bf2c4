/** A model that stays open, for programs: weights on a device, for any number of predictions and images. */
import { hasPictures, readPictureShape } from '../config/autoencoder.js';
import { readSeed } from '../config/computing.js';
import { classNames, readLabels } from '../config/condition.js';
import type { DiffusionConfig, ModelConfig, SamplingConfig } from '../config/config.js';
import { readCount } from '../config/drawing.js';
import type { Drawn, Guide } from '../config/guide.js';
import { readDrawn } from '../config/guide.js';
import { JsonObject } from '../config/json.js';
import { type OpenModel, openModel } from '../config/open-model.js';
import { type PictureShape, pictureShape } from '../config/picture-shape.js';
import { REDRAW_SETTINGS } from '../config/redraw.js';
import { checkNorm, SAMPLING_SETTINGS } from '../config/sampling.js';
import { quote } from '../config/source.js';
import type { Autoencoder } from '../contracts/autoencoder.js';
import type { Sampler } from '../contracts/sampler.js';
import { openAutoencoder } from '../device/open-autoencoder.js';
import { passesOf } from '../diffusion/guidance.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Redrawing } from '../diffusion/redraw.js';
import { Interrupted, RunError, ShapeError, UsageError } from '../errors.js';
import { requirePath } from '../io/require-path.js';
import { readWeights } from '../io/weights.js';
import { MOST_OF_CLASSES, usualCount } from '../sample/class-rows.js';
import { decodeSamples, latentRedrawing } from '../sample/decode.js';
import { batchFor, drawImages, planSampling, type SamplingPlan } from '../sample/draw-images.js';
import { type NetworkOptions, OpenNetworks } from '../sample/open-networks.js';
import type { SampleEvent } from '../sample/options.js';
import { RedrawingSampler } from '../sample/redrawing-sampler.js';
import { SplitSampler } from '../sample/split-sampler.js';
import {
  type AnySamplingSettings,
  MODEL,
  type ModelSettings,
  readAnySampling,
  readComputers,
  split,
} from './draw.js';
import type { DrawStep } from './draw-with.js';
import { byOwnNames } from './field-names.js';
import { withOwnArrays } from './own-arrays.js';
import { type RedrawSettings, readRedraw } from './redraw.js';
import { classesOf, readFrames, type Samples } from './sample.js';
import { settingsOf } from './settings-of.js';
import { asProgram, asProgramEach, respell } from './spelling.js';
import { Turns } from './turns.js';

/** Classes by name or number. */
export type ClassNames = NonNullable<AnySamplingSettings['class']>;

/** How to open it. */
export interface LoadSettings extends ModelSettings {
  /**
   * Called with what was assumed for bare weights, and which of a run's weights are used. Default none.
   * E.g. `onNote: console.log`.
   */
  readonly onNote?: (text: string) => void;
}

/** How to draw from an open model: the settings of `sample` except those of the model itself. */
export interface ModelStepsSettings extends AnySamplingSettings, RedrawSettings {
  /** Images. Default 16; for a model of several classes whole rows of all, up to 48. E.g. `count: 4`. */
  readonly count?: number;
  /** Aborting it throws Interrupted before the next step. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
}

export interface ModelSampleSettings extends ModelStepsSettings {
  /**
   * Moments of the reverse process to keep, evenly spaced, and of how many of the first images. Default none.
   * E.g. `frames: { moments: 10, images: 4 }`.
   */
  readonly frames?: { readonly moments: number; readonly images: number };
  /** Called with notes and progress. Default none. E.g. `onEvent: ({ kind }) => console.log(kind)`. */
  readonly onEvent?: (event: SampleEvent) => void;
}

/**
 * An open model. Calls may be made at any time: they are queued. `sampleSteps` yields at each of its steps, so that
 * other calls can run in between.
 */
export interface Model {
  /** The network and the size of its images, which may be latents. */
  readonly model: ModelConfig;
  /** Side and channels of the pictures that `sample` draws, for `toImages`; null for latents without an autoencoder. */
  readonly pictures: PictureShape | null;
  /** The forward process it was trained with, and its objective. */
  readonly diffusion: DiffusionConfig;
  /** Names of its classes by label, for a class-conditional network. */
  readonly classes: readonly string[];
  /** Where the network computes. */
  readonly device: 'wasm' | 'tensorflow';
  /**
   * The network's prediction (the noise, or another `diffusion.objective`), with BatchNorm's running statistics.
   * @param x images, f32 [N, size, size, channels] of `model`, for any N of 1 or more; without noise in [−1, 1], or latents
   * @param t timesteps counted from 0, one for all images or one per image: any real numbers; for `flow` 1000·s
   * @param of classes for a class-conditional network, by name or number, one for all images or one per image; `none` for no class
   * @returns an array of x's shape
   * @throws ShapeError for arrays of other lengths; UsageError for timesteps that are not finite, and for unknown classes
   */
  predict(x: Float32Array, t: number | ArrayLike<number>, of?: ClassNames): Promise<Float32Array>;
  /** The images that `sample` draws with the same seed. @throws UsageError for invalid settings; Interrupted */
  sample(settings?: ModelSampleSettings): Promise<Samples>;
  /** The same step by step: the last step has the finished images; of a model of latents these, which `decode` takes. */
  sampleSteps(settings?: ModelStepsSettings): AsyncGenerator<DrawStep, void, undefined>;
  /**
   * The latents of pictures, for a model of latents.
   * @param pictures f32 [N, size, size, channels] of `pictures`, in [−1, 1]
   * @returns f32 [N, size, size, channels] of `model`
   * @throws ShapeError for an array of another length; UsageError for a model without an autoencoder
   */
  encode(pictures: Float32Array): Promise<Float32Array>;
  /** The pictures of such latents, around [−1, 1], not clamped. @throws like `encode` */
  decode(latents: Float32Array): Promise<Float32Array>;
  /** Stops running work and frees memory and workers; safe to call twice. Other calls throw RunError from then on. */
  dispose(): Promise<void>;
  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a run (its newest checkpoint), a checkpoint's folder, a diffusers folder or a file of weights, and keeps it open.
 * @example
 * await using model = await load('runs/1');
 * const { images } = await model.sample({ count: 4, sampler: 'ddim' });
 * @throws UsageError if it is not a model, and for settings that are invalid or differ from the run's
 */
export const load = (path: string, settings: LoadSettings = {}): Promise<Model> =>
  asProgram('load', () => open(path, settingsOf('load', settings)));

async function open(path: string, settings: LoadSettings): Promise<Model> {
  requirePath('load', path, MODEL);
  const { requireCuda = false, onNote: tell, ...given } = settings;
  const onNote = tell && ((text: string) => tell(respell(text, 'load')));
  const source = new JsonObject('load', byOwnNames('load', given), 'all');
  const computing = readComputers(source);
  const opened = await openModel(path, source);
  const { weights, model, diffusion, notes } = opened;
  source.finish();
  for (const text of notes) onNote?.(text);
  const state = await readWeights(weights, onNote);
  const { timesteps } = diffusion;
  const how = { model, timesteps, computing, requireCuda };
  return new LoadedModel(await OpenNetworks.open(state, how), how, path, opened);
}

/** Settings of sampling; all others were given to `load`. */
const OWN: readonly string[] = [...SAMPLING_SETTINGS, ...REDRAW_SETTINGS, 'count', 'seed'];

const placeIn = (method: string) => (name: string) =>
  OWN.includes(name) ? `model.${method}.${name}` : `load.${name}`;

class LoadedModel implements Model {
  readonly model: ModelConfig;
  readonly pictures: PictureShape | null;
  readonly diffusion: DiffusionConfig;
  readonly #networks: OpenNetworks;
  readonly classes: readonly string[];
  readonly #path: string;
  readonly #opened: OpenModel;
  readonly #turns = new Turns();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  readonly #how: NetworkOptions;
  /** By the guide's file. */
  readonly #guides = new Map<string, OpenGuide>();
  /** Opened when it is first needed. */
  #autoencoder: Autoencoder | undefined;

  constructor(networks: OpenNetworks, how: NetworkOptions, path: string, opened: OpenModel) {
    this.#networks = networks;
    this.#how = how;
    this.model = opened.model;
    this.pictures = hasPictures(opened) ? pictureShape(opened.model, opened.autoencoder) : null;
    this.diffusion = opened.diffusion;
    this.classes = classNames(opened);
    this.#path = path;
    this.#opened = opened;
  }

  get device(): 'wasm' | 'tensorflow' {
    return this.#networks.device;
  }

  predict(x: Float32Array, t: number | ArrayLike<number>, of?: ClassNames): Promise<Float32Array> {
    return asProgram(placeIn('predict'), () => this.#predict(x, t, of));
  }

  async #predict(
    x: Float32Array,
    t: number | ArrayLike<number>,
    of: ClassNames | undefined,
  ): Promise<Float32Array> {
    const each = this.#each;
    const times = readTimes(t, countImages('predict', x, this.model));
    const labels = this.#labels(of, times.length);
    const [images, kept] = [x.slice(), new Float32Array(x.length)];
    const batch = batchFor(times.length);
    return this.#turn('predict', async () => {
      const network = this.#networks.ofBatch(batch);
      for (let first = 0; first < times.length; first += batch) {
        const input = {
          xt: filled(images.subarray(first * each, (first + batch) * each), batch * each),
          t: filled(times.subarray(first, first + batch), batch),
          ...(labels && {
            labels: Int32Array.from({ length: batch }, (_, i) => labels[first + i] ?? 0),
          }),
        };
        const output = await network.predict(input, 'running');
        kept.set(output.subarray(0, kept.length - first * each), first * each);
      }
      return kept;
    });
  }

  sample(settings: ModelSampleSettings = {}): Promise<Samples> {
    const place = placeIn('sample');
    return asProgram(place, () =>
      this.#draw(settingsOf('model.sample', withOwnArrays(settings), place)),
    );
  }

  async #draw(settings: ModelSampleSettings): Promise<Samples> {
    const { frames, onEvent, ...rest } = settings;
    requirePictures(this.#path, this.#opened);
    const { plan, count, seed, notes, ...how } = await this.#read('model.sample', rest);
    for (const text of notes) onEvent?.({ kind: 'note', text });
    const options = {
      ...{ model: this.model, count, frames: readFrames('model.sample', frames, count) },
      redrawing: how.redrawing,
      signal: this.#signal(settings.signal),
      ...(onEvent && { onEvent }),
    };
    return this.#turn('sample', async () => {
      const guide = await this.#openGuide(how.guide);
      const redrawing = await this.#ofNetwork(how.redrawing);
      const sampler = this.#sampler(plan, { ...how, redrawing }, guide, new CounterRandom(seed));
      const drawn = await drawImages(sampler, plan, options);
      const autoencoder = await this.#openAutoencoder();
      const result = autoencoder ? await decodeSamples(drawn, autoencoder, options) : drawn;
      const classes = classesOf({ ...how, classNames: this.classes }, count);
      return { ...result, model: this.model, pictures: this.pictures!, classes };
    });
  }

  sampleSteps(settings: ModelStepsSettings = {}): AsyncGenerator<DrawStep, void, undefined> {
    return asProgramEach(placeIn('sampleSteps'), this.#steps(withOwnArrays(settings)));
  }

  async *#steps(given: ModelStepsSettings): AsyncGenerator<DrawStep, void, undefined> {
    const settings = settingsOf('model.sampleSteps', given);
    const { plan, count, seed, ...how } = await this.#read('model.sampleSteps', settings);
    const random = new CounterRandom(seed);
    const { trajectory, batch } = plan;
    const steps = trajectory.timesteps.length;
    const batches = Array.from({ length: Math.ceil(count / batch) }, (_, i) => i * batch);
    const { guide, redrawing } = await this.#turn('sampleSteps', async () => {
      const ofNetwork = await this.#ofNetwork(how.redrawing);
      const opened = await this.#openGuide(how.guide);
      if (opened) opened.users++;
      return { guide: opened, redrawing: ofNetwork };
    });
    try {
      const samplers = batches.map(() => this.#sampler(plan, { ...how, redrawing }, guide, random));
      for (const [i, first] of batches.entries())
        await samplers[i]!.start(Uint32Array.from({ length: batch }, (_, k) => first + k));
      const signal = this.#signal(settings.signal);
      for (let step = 0; step < steps; step++) {
        for (const sampler of samplers) {
          if (signal.aborted && !this.#closed) throw new Interrupted('interrupted');
          await this.#turn('sampleSteps', () => sampler.advance(step, step + 1));
        }
        const x = new Float32Array(count * this.#each);
        for (const [i, first] of batches.entries())
          x.set(samplers[i]!.read().subarray(0, x.length - first * this.#each), first * this.#each);
        yield { step: step + 1, steps, t: trajectory.timesteps[step]!, x };
      }
    } finally {
      if (guide) guide.users--;
    }
  }

  encode(pictures: Float32Array): Promise<Float32Array> {
    return asProgram(placeIn('encode'), async () => {
      const shape = requirePictures(this.#path, this.#opened);
      return this.#code('encode', pictures, shape);
    });
  }

  decode(latents: Float32Array): Promise<Float32Array> {
    return asProgram(placeIn('decode'), async () => {
      requirePictures(this.#path, this.#opened);
      return this.#code('decode', latents, this.model);
    });
  }

  dispose(): Promise<void> {
    this.#closing.abort();
    this.#closed ??= this.#turns.take(async () => {
      await this.#networks.dispose();
      await this.#autoencoder?.dispose();
      for (const { networks } of this.#guides.values()) await networks.dispose();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Values per image. */
  get #each(): number {
    return this.model.size ** 2 * this.model.channels;
  }

  #sampler(
    { trajectory, batch }: SamplingPlan,
    { sampling, condition, guide, redrawing }: How,
    other: OpenGuide | null,
    random: CounterRandom,
  ): Sampler {
    const { arithmetic } = this.#networks;
    const unet = this.#networks.ofBatch(batch * passesOf(condition));
    const { norm } = sampling;
    const rest = { trajectory, norm, condition, random, each: this.#each };
    const away = guide &&
      other && { unet: other.networks.ofBatch(batch), guidance: guide.guidance };
    const sampler = new SplitSampler({ unet, arithmetic, guide: away, ...rest });
    return redrawing ? new RedrawingSampler(sampler, redrawing, trajectory, random) : sampler;
  }

  /** What the autoencoder makes of images of this shape. @throws ShapeError; UsageError for a model of pixels */
  async #code(way: 'encode' | 'decode', images: Float32Array, shape: Shape): Promise<Float32Array> {
    if (!this.#opened.autoencoder)
      throw new UsageError(`model.${way}: ${this.#path} draws pixels, and has no autoencoder`);
    countImages(way, images, shape);
    const own = images.slice();
    return this.#turn(way, async () => (await this.#openAutoencoder())![way](own));
  }

  /** A redrawing of the network's images: of latents, if these are what it draws. */
  async #ofNetwork(redrawing: Redrawing | null): Promise<Redrawing | null> {
    const autoencoder = redrawing && (await this.#openAutoencoder());
    return autoencoder ? latentRedrawing(redrawing, autoencoder) : redrawing;
  }

  /** The model's autoencoder; null for a model of pixels. */
  async #openAutoencoder(): Promise<Autoencoder | null> {
    const { autoencoder: files } = this.#opened;
    if (!files) return null;
    this.#autoencoder ??= await openAutoencoder(files, this.model.size, this.#how);
    return this.#autoencoder;
  }

  /** An open guide. Those of earlier calls are closed, unless a `sampleSteps` still needs them. */
  async #openGuide(guide: Guide | null): Promise<OpenGuide | null> {
    if (!guide) return null;
    const { weights, model } = guide;
    const known = this.#guides.get(weights);
    if (known) return known;
    for (const [file, { networks, users }] of this.#guides) {
      if (users > 0) continue;
      this.#guides.delete(file);
      await networks.dispose();
    }
    const networks = await OpenNetworks.open(await readWeights(weights), { ...this.#how, model });
    const opened = { networks, users: 0 };
    this.#guides.set(weights, opened);
    return opened;
  }

  /** Runs work in its turn. @throws RunError if the model is disposed before or during it */
  async #turn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const disposed = () => new RunError(`model.${name}: the model was disposed`);
    if (this.#closed) throw disposed();
    return this.#turns.take(async () => {
      if (this.#closed) throw disposed();
      try {
        return await work();
      } catch (error) {
        throw this.#closed && error instanceof Interrupted ? disposed() : error;
      }
    });
  }

  /** One label per image; undefined for an unconditional network. @throws UsageError; ShapeError for another number of classes */
  #labels(of: ClassNames | undefined, count: number): readonly number[] | undefined {
    const source = new JsonObject('model.predict', { class: of }, 'all');
    const labels = readLabels(source, this.#path, this.#opened);
    if (!labels || labels.length === count) return labels;
    if (labels.length === 1) return new Array<number>(count).fill(labels[0]!);
    throw new ShapeError(
      `model.predict: expected one class, or ${count}, one per image, got ${labels.length}`,
    );
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return signal ? AbortSignal.any([signal, closing]) : closing;
  }

  /** @throws UsageError for invalid or unknown settings */
  async #read(where: string, { signal: _, ...given }: ModelStepsSettings) {
    const { diffusion } = this;
    const [pictures, others] = split(given, REDRAW_SETTINGS);
    const [draw, rest] = split(others, SAMPLING_SETTINGS);
    const source = new JsonObject(where, rest, 'all');
    const asked = readCount(source);
    const seed = readSeed(source) ?? 0;
    source.finish();
    const sampling = readAnySampling(where, draw, diffusion, this.#opened.sampling);
    const drawn = new JsonObject(where, draw, 'all');
    checkNorm(drawn, this.model);
    const { condition, guide } = await readDrawn(drawn, this.#path, this.#opened);
    const count = asked ?? usualCount(condition, MOST_OF_CLASSES);
    const asks = Object.keys(pictures).length > 0;
    const shape = asks ? requirePictures(this.#path, this.#opened) : null;
    const redraw = shape && (await readRedraw(where, pictures, shape));
    const { redrawing = null, notes = [] } = redraw ?? {};
    const plan = planSampling({ diffusion, sampling, condition, redrawing, count });
    return { count, seed, sampling, condition, guide, redrawing, notes, plan };
  }
}

/** A guide's networks, and how many running `sampleSteps` use them. */
interface OpenGuide {
  readonly networks: OpenNetworks;
  users: number;
}

/** How images are drawn. */
interface How extends Drawn {
  readonly sampling: SamplingConfig;
  readonly redrawing: Redrawing | null;
}

/** @throws UsageError for latents without an autoencoder */
const requirePictures = (path: string, opened: OpenModel): PictureShape =>
  readPictureShape(new JsonObject('load', {}, 'all'), path, opened);

/** Of images: those of a network, or pictures. */
type Shape = Pick<ModelConfig, 'size' | 'channels'>;

/** The number of images. @throws ShapeError; UsageError for anything but a Float32Array, since JavaScript programs have no type checks */
function countImages(method: string, x: Float32Array, { size, channels }: Shape): number {
  const each = size ** 2 * channels;
  const what = method === 'decode' ? 'latents' : 'images';
  if (!((x as unknown) instanceof Float32Array))
    throw new UsageError(`model.${method}: expected ${what} in a Float32Array, got ${kindOf(x)}`);
  if (x.length > 0 && x.length % each === 0) return x.length / each;
  throw new ShapeError(
    `model.${method}: expected ${what} of ${size}x${size}x${channels} = ${each} values each, got ${x.length} values`,
  );
}

/** One timestep per image. @throws ShapeError for another number of them; UsageError for values that are not numbers */
function readTimes(t: number | ArrayLike<number>, count: number): Float32Array {
  if (typeof t !== 'number' && (typeof t !== 'object' || t?.length === undefined))
    throw new UsageError(`model.predict: expected a timestep or a list of them, got ${kindOf(t)}`);
  if (typeof t !== 'number' && t.length !== count)
    throw new ShapeError(
      `model.predict: expected one timestep, or ${count}, one per image, got ${t.length}`,
    );
  const times: readonly unknown[] =
    typeof t === 'number' ? new Array<number>(count).fill(t) : Array.from(t);
  const isTime = (time: unknown): time is number =>
    typeof time === 'number' && Number.isFinite(Math.fround(time));
  if (times.every(isTime)) return Float32Array.from(times);
  const wrong = times.find((time) => !isTime(time));
  throw new UsageError(
    `model.predict: expected timesteps that are finite numbers, got ${quote(wrong)}`,
  );
}

/** The type of a value, for messages. */
const kindOf = (value: unknown): string =>
  (value as object | null | undefined)?.constructor?.name ?? String(value);

/** The values, padded with zeros. */
function filled(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const all = new Float32Array(length);
  all.set(values);
  return all;
}
