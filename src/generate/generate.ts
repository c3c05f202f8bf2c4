import { isDeepStrictEqual } from 'node:util';
import { nameOfLabel } from '../config/condition.js';
import type { DeviceChoice } from '../config/config.js';
import { pictureShape } from '../config/picture-shape.js';
import type { Generator } from '../contracts/generator.js';
import { chooseDevice } from '../device/choose.js';
import { labelOf, passesOf } from '../diffusion/guidance.js';
import { makeTrajectory, type Trajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { stepsInWords } from '../diffusion/steps-in-words.js';
import { Interrupted, UsageError } from '../errors.js';
import { asRunError } from '../io/atomic.js';
import { type Reach, unseen } from '../io/lock.js';
import { makeFolders } from '../io/make-folders.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { guideInWords } from '../sample/open-sampler.js';
import { plural } from '../units.js';
import { version } from '../version.js';
import { ArrayStore } from './array-store.js';
import { BoundedQueue } from './bounded-queue.js';
import { batches, evenBatch, ImageRange, shardRange } from './image-range.js';
import { markSound, type Overview, refuseStrangers, survey } from './inspect.js';
import { asOnlyMaker, atOneFile } from './locks.js';
import { type Image, ImageMaker, reporting } from './make-images.js';
import { headerLine, Manifest, manifestPath } from './manifest.js';
import { openGenerator, type Share } from './open-generator.js';
import type { GenerateOptions, GenerateProgress, GenerateResult } from './options.js';
import { LANES } from './overlapped-generator.js';
import { PngStore } from './png-store.js';
import { hashesOf, type Maker, type Settings, settingsOf } from './settings.js';

/** The options with all choices made. */
interface ChosenOptions extends GenerateOptions {
  readonly device: DeviceChoice['device'];
  readonly batch: number;
  /** Whether the batch may be reduced to save memory: it was not given, and no image depends on it. */
  readonly yields: boolean;
}

/**
 * Images per batch. On the engine 16 are some 7 % faster than 8 for the tiny model, larger batches hardly more, and each
 * worker keeps one in memory; TensorFlow has an overhead per call.
 */
const BATCHES: Readonly<Record<DeviceChoice['device'], number>> = { wasm: 16, tensorflow: 64 };

/** Jobs into which images are divided for remote workers, if there are enough images. */
const FEWEST_JOBS = 16;

/**
 * Images encoded or written at one time: more than the four threads that do it, since on TensorFlow the thread
 * that hands them on is blocked most of the time (with 16 a run of few steps is some 5 % faster than with 4).
 */
const HANDS = 16;

/**
 * Draws the images of a shard that its folder lacks. However it ends, finished images
 * are on disk and in the manifest, and the next run continues from there.
 * @throws UsageError for a folder with other images or a model that does not fit; RunError for a full disk or repeatedly
 *   lost workers; Interrupted
 */
export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  const { format, computing, requireCuda, guide, notes = [] } = options;
  for (const text of [...notes, ...(guide ? [guideInWords(guide)] : [])])
    options.onEvent?.({ kind: 'note', text });
  const { device } = await chooseDevice(computing, requireCuda);
  const yields = options.batch === null && options.sampling.norm === 'running';
  const usual = BATCHES[device] / passesOf(options.condition);
  const plan: ChosenOptions = { ...options, device, batch: options.batch ?? usual, yields };
  const { out, model, autoencoder, shard, condition = null } = options;
  const pictures = pictureShape(model, autoencoder);
  return asOnlyMaker(out, shard, async (hold) => {
    const store =
      format === 'png'
        ? new PngStore(out, pictures, shard)
        : new ArrayStore(
            out,
            format,
            pictures,
            condition && ((image) => labelOf(condition, image)),
          );
    try {
      const settings = settingsOf(plan, await hashesOf(options));
      return await new Generation(plan, settings, store, hold).run();
    } finally {
      await store.close();
    }
  });
}

class Generation {
  private readonly options: ChosenOptions;
  private readonly settings: Settings;
  private readonly store: PngStore | ArrayStore;
  private readonly range: ImageRange;
  private readonly hold: () => Promise<Reach>;

  constructor(
    options: ChosenOptions,
    settings: Settings,
    store: PngStore | ArrayStore,
    hold: () => Promise<Reach>,
  ) {
    this.options = options;
    this.settings = settings;
    this.store = store;
    this.hold = hold;
    this.range = shardRange(options.count, options.shard);
  }

  async run(): Promise<GenerateResult> {
    const { options, store, range } = this;
    const overview = await survey(options.out, this.settings);
    if (store instanceof ArrayStore && (await isFinished(options, store, overview)))
      return { made: 0, kept: range.size, seconds: 0, awaited: 0 };
    const damaged = await markSound(overview, store, range);
    if (!options.resume) await refuseStrangers(options.out, store, range, overview, damaged);
    const kept = range.count;
    const seconds = kept === range.size ? 0 : await this.makeMissing(overview);
    const awaited =
      store instanceof ArrayStore ? await atOneFile(options.out, () => this.finish(store)) : 0;
    return { made: range.size - kept, kept, seconds, awaited };
  }

  /** Opens the device and the manifest, and draws the unmarked images. Resolves to the seconds it took. */
  private async makeMissing(overview: Overview): Promise<number> {
    const { options, range } = this;
    const schedule = makeSchedule(options.diffusion);
    const trajectory = makeTrajectory(schedule, options.sampling);
    const onNote = (text: string) => options.onEvent?.({ kind: 'note', text });
    const state = await readWeights(options.weights, onNote);
    const missing = range.size - range.count;
    const generator = options.queue
      ? await this.askWorkers(trajectory, state, missing)
      : await openGenerator(
          options,
          options.device,
          trajectory,
          schedule,
          shareOf(options, missing),
          state,
        );
    let manifest: Manifest | undefined;
    try {
      const maker = makerOf(options, generator);
      for (const text of notes(range, generator, trajectory, maker, overview))
        options.onEvent?.({ kind: 'note', text });
      manifest = await this.openManifest(overview, maker);
      await this.store.begin(range);
      return await this.produce(generator, manifest);
    } finally {
      await generator.dispose();
      manifest?.close();
    }
  }

  /** Lets remote workers draw the images. */
  private async askWorkers(
    trajectory: Trajectory,
    state: StateDict,
    missing: number,
  ): Promise<Generator> {
    const { options, range } = this;
    const { QueuedGenerator } = await import('./queued-generator.js');
    // A function of the request, not of the folder: after a resume the jobs are the same.
    const batch = options.yields
      ? evenBatch(range.size, options.batch, FEWEST_JOBS)
      : options.batch;
    const onNote = (text: string) => options.onEvent?.({ kind: 'note', text });
    return QueuedGenerator.open({ ...options, trajectory, batch, missing, onNote }, state);
  }

  /** The lanes draw images, and a bounded queue passes them to the disk. */
  private async produce(generator: Generator, manifest: Manifest): Promise<number> {
    const { options, range, store } = this;
    const { seed, condition, classNames = [], signal, onEvent } = options;
    const maker = new ImageMaker(generator, (text) => onEvent?.({ kind: 'note', text }));
    const keep = async ({ index, pixels }: Image) => {
      const sha256 = await store.write(index, pixels);
      const label = condition ? labelOf(condition, index) : null;
      const of = label !== null && { label, class: nameOfLabel(classNames, label) };
      manifest.append({ index, seed, ...of, file: store.file(index), sha256 });
      range.mark(index);
      generator.kept?.(index);
    };
    const room = generator.lanes * generator.batch;
    const queue = new BoundedQueue(keep, { room, hands: HANDS });
    const stop = () => void maker.stop();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const start = performance.now();
    const kept = range.count;
    try {
      await reporting(progressOf(range, maker, kept, start), onEvent, async () => {
        const { norm } = options.sampling;
        const work = batches(range, generator.batch, norm, generator.aligned);
        await maker.run(work, (image) => queue.put(image)).finally(() => queue.drain());
      });
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    if (range.count < range.size)
      throw new Interrupted(
        `interrupted; ${range.count} of ${range.size} images are finished; the same command draws the rest`,
      );
    return (performance.now() - start) / 1000;
  }

  /**
   * Writes the file of all images once all shards are done, as the only process that does. Resolves to the number of
   * images that are still missing.
   */
  private async finish(store: ArrayStore): Promise<number> {
    const { options, settings } = this;
    const overview = await survey(options.out, settings);
    if (await isFinished(options, store, overview)) return 0;
    const all = new ImageRange(0, options.count);
    await store.close();
    await markSound(overview, store, all);
    if (all.count < all.size) return all.size - all.count;
    const sha256 = await store.finish(options.count);
    const manifest = await this.openManifest(overview, overview.makers[0]!);
    try {
      manifest.append({ file: store.name, images: options.count, sha256 });
    } finally {
      manifest.close();
    }
    await store.removePart();
    return 0;
  }

  /** The manifest of this shard, with a header that says who draws the following images. */
  private async openManifest({ headers }: Overview, maker: Maker): Promise<Manifest> {
    const { out, shard } = this.options;
    await makeFolders(out).catch((error: unknown) => {
      throw asRunError(out, error);
    });
    const warning = unseen(out, await this.hold());
    if (warning !== null) this.options.onEvent?.({ kind: 'note', text: `warning: ${warning}` });
    const path = manifestPath(out, shard);
    const manifest = await Manifest.open(path);
    const { settings } = this;
    if (!isDeepStrictEqual(headers.get(path), maker)) manifest.append(headerLine(settings, maker));
    return manifest;
  }
}

/** Whether the file of all images exists and is intact. @throws UsageError if it has more images */
async function isFinished(
  { out, count }: GenerateOptions,
  store: ArrayStore,
  { files }: Overview,
): Promise<boolean> {
  if (files.length === 0) return false;
  const hash = await store.finishedHash();
  const found = files.find(({ sha256 }) => sha256 === hash);
  if (!found || found.images < count) return false;
  if (found.images > count)
    throw new UsageError(
      `--count: ${store.name} in ${out} holds ${found.images} images, got ${count}; give another --out`,
    );
  await store.removePart();
  return true;
}

/**
 * Batch statistics fix the batch; otherwise the images are divided evenly among the lanes. On the engine a lane is a worker,
 * and at most as many are started as there are batches.
 */
function shareOf(plan: ChosenOptions, missing: number): Share {
  const { sampling, batch, workers, device, computing, yields } = plan;
  const overlapped =
    computing.arithmetic === 'wasm' ? Math.min(LANES, Math.ceil(missing / batch)) : 1;
  const lanes = device === 'wasm' ? workers : overlapped;
  const size = sampling.norm === 'batch' ? batch : evenBatch(missing, batch, lanes);
  if (device === 'tensorflow') return { batch: size, lanes, workers, yields };
  const used = Math.min(workers, Math.ceil(missing / size));
  return { batch: size, lanes: used, workers: used, yields };
}

const makerOf = ({ computing }: GenerateOptions, { device, build }: Generator): Maker => ({
  version: version(),
  device,
  arithmetic: computing.arithmetic,
  build,
});

/** What the user should know in advance. */
function notes(
  range: ImageRange,
  { description, batch }: Generator,
  trajectory: Trajectory,
  maker: Maker,
  { makers }: Overview,
): string[] {
  const there = range.count > 0 ? `, ${range.count} are there` : '';
  const work = `${plural(range.size - range.count, 'image')}${there}; ${description}, batches of ${batch}, ${stepsInWords(trajectory)}`;
  const other = makers.find((found) => !isDeepStrictEqual(found, maker));
  if (!other) return [work];
  const show = ({ version, device, build }: Maker) => `haze ${version}, ${device}, ${build}`;
  return [
    work,
    `earlier images were drawn by ${show(other)}, these are drawn by ${show(maker)}: they may differ in bits`,
  ];
}

function progressOf(
  range: ImageRange,
  maker: ImageMaker,
  kept: number,
  start: number,
): () => GenerateProgress {
  return () => ({
    kind: 'progress',
    done: range.count,
    total: range.size,
    exact: kept + maker.done,
    imagesPerSecond: (1000 * maker.done) / (performance.now() - start),
    lost: maker.lost,
  });
}
