/** Computes figures of image quality, and of how well a model predicts unseen images. */
import { threadCount } from '../config/computing.js';
import type { Fit } from '../config/config.js';
import { defaultBudget } from '../data/dataset.js';
import { type GivenImages, openGiven } from '../data/given.js';
import { hasOtherSizes, type OwnShape, ownShape } from '../data/own-shape.js';
import { shareFiles } from '../data/shared-files.js';
import { openSource, type Source } from '../data/source.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { CounterRandom } from '../diffusion/random.js';
import { Interrupted, RunError, UsageError } from '../errors.js';
import { readStatistics, type Statistics, writeStatistics } from '../io/statistics-file.js';
import { plural } from '../units.js';
import { Breath } from './breath.js';
import { checkEvaluation, checkFigures, comparesImages, needsSamples } from './check.js';
import { compareFeatures } from './compare-features.js';
import { FeatureNetwork } from './feature-network.js';
import { frechetDistance } from './frechet.js';
import { type Collected, collect, type PassOptions, type Shape } from './image-set.js';
import { modelLikelihood } from './model-likelihood.js';
import { NearestImages } from './nearest.js';
import { NotWritten } from './not-written.js';
import type {
  EvaluateOptions,
  Evaluation,
  FileSubject,
  ModelSubject,
  SetSummary,
} from './options.js';
import { SMALLEST } from './pyramid.js';
import { drawSamples } from './samples.js';
import { requireSemidefinite } from './semidefinite.js';
import { slicedWasserstein } from './sliced-wasserstein.js';

/** Number of unreadable files that are named; the rest are counted. */
const NAMED = 10;

/**
 * Evaluates a model, images or feature statistics.
 * @throws UsageError for a subject that cannot be evaluated this way; RunError if it fails, NotWritten with the figures if only a file
 *   could not be written; Interrupted
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  checkEvaluation(options);
  const run = new Run(options);
  try {
    const evaluation = await run.go();
    if (run.unwritten) throw new NotWritten(run.unwritten, evaluation);
    return evaluation;
  } catch (error) {
    if (options.signal?.aborted && !(error instanceof Interrupted))
      throw new Interrupted('interrupted', { cause: error });
    throw error;
  } finally {
    await run.close();
  }
}

/** A set known only by statistics, or the findings of a pass. */
interface Known {
  readonly summary: SetSummary;
  readonly collected: Collected | null;
  readonly statistics: Statistics | null;
}

/** The figures without the description of the sets. */
type Figures = Pick<
  Evaluation,
  'frechet' | 'kernel' | 'coverage' | 'pairs' | 'slicedWasserstein' | 'nearest'
>;

const NO_FIGURES: Figures = {
  ...{ frechet: null, kernel: null, coverage: null, pairs: null },
  ...{ slicedWasserstein: null, nearest: null },
};

class Run {
  /** Why a file could not be written, if one could not. */
  unwritten: RunError | undefined;
  readonly #options: EvaluateOptions;
  readonly #random: CounterRandom;
  readonly #breath: Breath;
  #network: FeatureNetwork | null = null;
  /** Opened images by name: opening an array reads all of it. */
  readonly #opened = new Map<string, Source>();
  #closing: (() => Promise<void>)[] = [];

  constructor(options: EvaluateOptions) {
    this.#options = options;
    this.#random = new CounterRandom(options.seed);
    this.#breath = new Breath(options.signal);
  }

  async go(): Promise<Evaluation> {
    const { features, computing, subject, heldOut, seed } = this.#options;
    if (subject.kind === 'model') for (const text of subject.notes) this.#note(text);
    // Inputs that may be refused are opened before slow work begins.
    const unseen = heldOut === null ? null : await this.#openUnseen(heldOut);
    if (subject.kind === 'model') await this.#noteSeen(subject, heldOut);
    if (features) this.#network = await FeatureNetwork.open(features, threadCount(computing));
    const compared = needsSamples(this.#options) ? await this.#compare() : null;
    return {
      seed,
      samples: compared?.samples.summary ?? null,
      reference: compared?.reference?.summary ?? null,
      features: compared?.features ?? null,
      ...(compared?.figures ?? NO_FIGURES),
      likelihood: unseen && (await this.#likelihood(unseen)),
    };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    await this.#network?.close();
  }

  async #compare() {
    const { reference, saveStatistics } = this.#options;
    const other = reference && (await this.#openSet(reference, '--reference'));
    const shape = await this.#shape(other);
    checkFigures(this.#options, shape.size);
    const samples = await this.#samples();
    const known = await this.#known(samples, 0, shape, null);
    if (saveStatistics !== null && known.collected?.moments)
      await this.#write(writeStatistics(saveStatistics, known.collected.moments.finish()));
    const nearest = this.#nearest(shape, known);
    const second = other && (await this.#known(other, 1, shape, nearest));
    const features = [known, second].find((set) => set?.collected?.moments)?.collected?.rows;
    return {
      samples: known,
      reference: second,
      features: (features && this.#network?.describe(features.features)) ?? null,
      figures: second ? await this.#figures(known, second, nearest) : NO_FIGURES,
    };
  }

  /** Size and channels at which images are compared: the samples' own, or those of the only images available. */
  async #shape(reference: Source | Statistics | null): Promise<Shape> {
    const { subject, size } = this.#options;
    if (subject.kind === 'model') return { ...subject.pictures, ...(size !== null && { size }) };
    const source =
      subject.kind === 'images' ? await this.#open(subject.name, subject.name) : reference;
    // With two files of statistics nothing is scaled.
    if (!source || !isSource(source)) return { size: size ?? 1, channels: 3 };
    const own = await ownShape(source);
    const side = size ?? own?.size;
    if (side) return { size: side, channels: own?.channels ?? 3 };
    const why = own ? `are not square (${own.width}x${own.height})` : 'do not say their size';
    throw new UsageError(
      `--size: the images of ${source.name} ${why}; give the size at which to compare them`,
    );
  }

  /** The samples; a model's are drawn first. */
  async #samples(): Promise<Source | Statistics> {
    const { subject } = this.#options;
    if (subject.kind !== 'model') return this.#openSet(subject, subject.name);
    const drawn = await drawSamples(subject, this.#options, (done, total) =>
      this.#progress('samples drawn', done, total),
    );
    this.#closing.push(drawn.remove);
    return { ...(await openSource(drawn.path, 0)), name: subject.name };
  }

  /** One pass over images, or the contents of a file of statistics. */
  async #known(
    set: Source | Statistics,
    number: 0 | 1,
    shape: Shape,
    nearest: NearestImages | null,
  ): Promise<Known> {
    const { subject, reference, fit } = this.#options;
    if (!isSource(set)) {
      const { name } = number === 0 ? subject : reference!;
      const nothing = { images: null, size: null, channels: null, scaled: null };
      return { summary: { name, ...nothing }, collected: null, statistics: set };
    }
    const own = await ownShape(set);
    const collected = await collect(set, this.#passOptions(number, shape, nearest));
    if (collected.moments && collected.images < 2)
      throw new UsageError(
        `${set.name}: expected two images or more, since features of one have no covariance, got ${collected.images}`,
      );
    return {
      summary: {
        name: set.name,
        images: collected.images,
        ...shape,
        scaled: own && (await scaling(set, own, shape.size, fit)),
      },
      collected,
      statistics: null,
    };
  }

  #passOptions(set: 0 | 1, shape: Shape, nearest: NearestImages | null): PassOptions {
    const { fit, computing, pairImages, patchImages, nearestSamples, signal } = this.#options;
    const compares = comparesImages(this.#options);
    let skipped = 0;
    return {
      ...shape,
      ...{ set, fit, nearest, pairImages, signal },
      threads: threadCount(computing),
      random: this.#random,
      network: this.#network,
      patchImages: compares && shape.size >= SMALLEST ? patchImages : 0,
      keep: set === 0 && this.#options.nearest !== null ? nearestSamples : 0,
      onSkipped: ({ path, reason }) => {
        if (++skipped <= NAMED) this.#note(`skipped ${path}: ${reason}`);
        if (skipped === NAMED + 1) this.#note('skipped more such files');
      },
      onProgress: (done, total) =>
        this.#progress(set === 0 ? 'samples' : 'reference images', done, total),
    };
  }

  #nearest(shape: Shape, { collected }: Known): NearestImages | null {
    if (this.#options.nearest === null || !collected) return null;
    return new NearestImages(shape.size, shape.channels, collected.kept);
  }

  async #figures(a: Known, b: Known, nearest: NearestImages | null): Promise<Figures> {
    const figures = { ...NO_FIGURES, ...(await this.#ofFeatures(a, b)) };
    const [patches, others] = [a.collected?.patches, b.collected?.patches];
    const sliced =
      patches && others
        ? await slicedWasserstein(patches, others, this.#random, this.#breath, (done, total) =>
            this.#progress('projections', done, total),
          )
        : null;
    if (nearest) await this.#write(nearest.write(this.#options.nearest!));
    return { ...figures, slicedWasserstein: sliced, nearest: nearest?.result() ?? null };
  }

  async #ofFeatures(a: Known, b: Known): Promise<Partial<Figures>> {
    const [first, second] = [statisticsOf(a), statisticsOf(b)];
    if (!first || !second) return {};
    this.#progress('Fréchet distance', 0, 1);
    const frechet = await frechetDistance(first, second, this.#breath);
    for (const { summary, collected } of [a, b])
      if (collected && collected.images <= first.mean.length)
        this.#note(
          `${summary.name}: ${plural(collected.images, 'image')} for ${plural(first.mean.length, 'feature')}: with so few images the Fréchet distance is too large, and comparable only with that of equally many`,
        );
    const [rows, others] = [a.collected?.rows, b.collected?.rows];
    if (!rows || !others) return { frechet };
    const { neighbours, kernelSubsets: subsets, kernelSubsetSize: subsetSize } = this.#options;
    const least = Math.min(rows.count, others.count);
    if (least <= neighbours) {
      this.#note(
        `kernel distance, precision and recall need more than ${plural(neighbours, 'image')} of each set, got ${least}`,
      );
      return { frechet };
    }
    const { kernel, coverage } = await compareFeatures(
      rows,
      others,
      { subsets, subsetSize, neighbours },
      this.#random,
      this.#breath,
      (done, total) => this.#progress('pairs', done, total),
    );
    return { frechet, kernel, coverage, pairs: { samples: rows.count, reference: others.count } };
  }

  async #likelihood(source: Source): Promise<Evaluation['likelihood']> {
    const { subject } = this.#options;
    if (subject.kind !== 'model') return null;
    return modelLikelihood(subject, source, this.#options, {
      random: this.#random,
      breath: this.#breath,
      onNote: (text) => this.#note(text),
      onProgress: (what, done, total) => this.#progress(what, done, total),
    });
  }

  async #openSet({ kind, name }: FileSubject, where: string): Promise<Source | Statistics> {
    if (kind === 'images') return this.#open(name, where);
    const statistics = await readStatistics(name);
    await requireSemidefinite(statistics, name, this.#breath);
    return statistics;
  }

  #openUnseen(heldOut: string | GivenImages): Promise<Source> {
    if (typeof heldOut === 'string') return this.#open(heldOut, '--held-out');
    return openGiven('evaluate.heldOut', heldOut, defaultBudget(), this.#options.signal);
  }

  /** Other cars are drawn by another seed, so only of files it is known that they are the same. */
  async #noteSeen({ name, trainedOn }: ModelSubject, heldOut: EvaluateOptions['heldOut']) {
    if (typeof heldOut !== 'string' || trainedOn === null || heldOut === TOY_CARS) return;
    if (await shareFiles(trainedOn, heldOut))
      this.#note(
        `--held-out: ${heldOut} shares images with ${trainedOn}, on which ${name} was trained: the loss on them is no measure of new ones`,
      );
  }

  async #open(name: string, where: string): Promise<Source> {
    try {
      const source =
        this.#opened.get(name) ??
        (await openSource(name, this.#options.seed, this.#options.signal));
      this.#opened.set(name, source);
      return source;
    } catch (error) {
      if (!(error instanceof UsageError) || !where.startsWith('--')) throw error;
      throw new UsageError(`${where}: ${error.message}`);
    }
  }

  /** Waits for a file, whose failure must not lose the figures. */
  async #write(written: Promise<void>): Promise<void> {
    await written.catch((error: unknown) => {
      if (!(error instanceof RunError)) throw error;
      this.unwritten ??= error;
    });
  }

  #note(text: string): void {
    this.#options.onEvent?.({ kind: 'note', text });
  }

  #progress(what: string, done: number, total: number): void {
    this.#options.onEvent?.({ kind: 'progress', what, done, total });
  }
}

/** How images are scaled; null if all have the size already. */
async function scaling(
  source: Source,
  own: OwnShape,
  size: number,
  fit: Fit,
): Promise<string | null> {
  const others = await hasOtherSizes(source, own);
  if (own.size === size && !others) return null;
  return `from ${own.width}x${own.height}${others ? ' and other sizes' : ''} (${fit}, bilinear, antialiased)`;
}

const isSource = (set: Source | Statistics): set is Source => 'item' in set;

const statisticsOf = ({ statistics, collected }: Known): Statistics | null =>
  statistics ?? collected?.moments?.finish() ?? null;
