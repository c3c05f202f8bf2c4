import { setImmediate } from 'node:timers/promises';
import {
  type AutoencoderTraining,
  autoencoderConfigOf,
} from '../../config/autoencoder-training.js';
import { threadCount } from '../../config/computing.js';
import { ADAM, type Optimizer } from '../../contracts/device.js';
import { BatchPlan } from '../../data/batches.js';
import type { Dataset } from '../../data/dataset.js';
import { chooseDevice } from '../../device/choose.js';
import { noTimes, openGraph } from '../../device/open-graph.js';
import { sharedArithmetic } from '../../engine/arithmetic.js';
import { Interrupted } from '../../errors.js';
import {
  autoencoderPaths,
  checkNewAutoencoder,
  makeAutoencoderFolder,
  removeLeftOfAutoencoder,
} from '../../io/autoencoder-folder.js';
import { removeLeftCheckpoints } from '../../io/checkpoint.js';
import { cutBack } from '../../io/metrics.js';
import { asOnlyTrainer, type Hold } from '../../io/run-lock.js';
import { buildEncoder, latentFactor } from '../../network/autoencoder.js';
import { buildWholeAutoencoder } from '../../network/autoencoder-whole.js';
import { countParameters } from '../../network/parameters.js';
import { shellWord } from '../../shell-word.js';
import { bytes, grouped } from '../../units.js';
import { learningRate, type RateConfig } from '../learning-rate.js';
import { dataBudget } from '../memory.js';
import { type Begin, loadWeights, readBegin } from './begin.js';
import { measuredOf, type Statistics, signalToNoise } from './measure.js';
import { bytesOfSave, requireSpaceToSave } from './memory.js';
import type { AutoencoderOptions, AutoencoderResult } from './options.js';
import { AutoencoderOutputs, type Training } from './outputs.js';
import { listPictures, openPictures } from './pictures.js';

/** AdamW with a second moment that forgets sooner than PyTorch's: the gradients change much at first. */
const OPTIMIZER: Optimizer = { ...ADAM, beta1: 0.9, beta2: 0.99, decay: 0.01, clip: 1 };

/** How the learning rate changes. */
const RATE: Omit<RateConfig, 'lr'> = { warmup: 100, decay: 'cosine', decayFloor: 0.02 };

/**
 * Trains an AutoencoderKL on pictures, to give them back: Rombach et al. (2022), without the KL term (their weight of it is 1e-6),
 * and without a perceptual and an adversarial loss, so that fine detail is blurred. The bits are the same for any number of threads,
 * and after any resume.
 * @throws UsageError for what cannot be trained (nothing is left behind), and if another process is training in the folder; RunError
 *   for a loss that is not finite or a full disk (the last checkpoint stays); Interrupted once the state is saved.
 */
export const trainAutoencoder = (options: AutoencoderOptions): Promise<AutoencoderResult> =>
  asOnlyTrainer(options.out, (hold) => trainLocked(options, hold));

async function trainLocked(options: AutoencoderOptions, hold: Hold): Promise<AutoencoderResult> {
  const { out, signal, requireCuda, onEvent: tell = () => {} } = options;
  const begin = await readBegin(options);
  const { settings } = begin;
  const config = autoencoderConfigOf(settings);
  const whole = buildWholeAutoencoder(config, settings.size);
  const encoder = buildEncoder(config, settings.size);
  const { device, why } = await chooseDevice(settings, requireCuda);
  const unlessInterrupted = early(begin, signal);
  const source = await listPictures(options, begin).catch(unlessInterrupted);
  const reserve = await bytesOfSave(device, whole, encoder, settings);
  const { network, memoryBytes } = await openGraph(device, settings, whole, {
    ...{ batch: settings.batch, loss: settings.loss, seed: settings.seed, reserve },
    optimizer: OPTIMIZER,
  });
  let dataset: Dataset | undefined;
  try {
    const { latentChannels } = config;
    const latentSize = settings.size / latentFactor(config);
    for (const text of [
      `model   AutoencoderKL, widths ${settings.widths.join()}, ${settings.size}x${settings.size}x${settings.channels} to ${latentSize}x${latentSize}x${latentChannels} and back, ${grouped(countParameters(whole))} parameters`,
      `device  ${network.description} (${why})`,
      `memory  ${bytes(memoryBytes)} for batches of ${settings.batch}; saves up to ${bytes(reserve)} more; Node and the pictures come on top`,
    ])
      tell({ kind: 'note', text });
    requireSpaceToSave(device, encoder, settings);
    const taken = memoryBytes + reserve;
    const budget = dataBudget(options.dataBudget, threadCount(settings), taken);
    if (budget.warning) tell({ kind: 'warning', text: budget.warning });
    dataset = await openPictures(source, settings, budget.bytes, signal, tell).catch(
      unlessInterrupted,
    );
    const plan = planOf(settings, dataset);
    const listing = { images: dataset.count, listing: await source.fingerprint() };
    if (signal?.aborted) unlessInterrupted(signal.reason);
    await loadWeights(network, whole, begin, listing, options);
    await prepareFolder(options, begin, hold);
    const training: Training = {
      ...{ out, settings, config, device, network, encoder, dataset, listing, tell },
      hold: async () => {
        const text = await hold();
        if (text !== null) tell({ kind: 'warning', text });
      },
    };
    const run = new AutoencoderRun(training, plan, begin, signal);
    const { loss, mean, deviation } = await run.go();
    const psnr = await signalToNoise(network, dataset, {
      signal,
      onProgress: (done, total) =>
        tell({ kind: 'pause', step: settings.steps, what: 'pictures', done, total }),
    }).catch((error: unknown) => {
      throw signal?.aborted && error === signal.reason
        ? new Interrupted(`interrupted after the last step; ${out} is complete`)
        : error;
    });
    return {
      ...{ steps: settings.steps, loss, psnr, pictures: measuredOf(dataset).length },
      ...{ latentSize, latentChannels, mean, deviation, out },
      ...{ data: settings.source, fit: settings.fit, flip: settings.flip },
    };
  } finally {
    await dataset?.close();
    await network.dispose();
  }
}

/** Says of an interruption before the first step that nothing was done. */
const early =
  ({ from }: Begin, signal: AbortSignal | undefined) =>
  (error: unknown): never => {
    const interrupted =
      error instanceof Interrupted || (signal?.aborted && error === signal.reason);
    if (!interrupted) throw error;
    throw new Interrupted(
      from
        ? 'interrupted before the first step of this resume; the last checkpoint stays'
        : 'interrupted before the first step; nothing was written',
    );
  };

/** Makes the folder of a new training, or tidies that of a resume. */
async function prepareFolder(
  { out, onEvent }: AutoencoderOptions,
  { from }: Begin,
  hold: Hold,
): Promise<void> {
  await makeAutoencoderFolder(out);
  const text = await hold();
  if (text !== null) onEvent?.({ kind: 'warning', text });
  // Again under the lock: another training may have begun, and ended, in between.
  if (from === null) await checkNewAutoencoder(out);
  await removeLeftOfAutoencoder(out);
  await removeLeftCheckpoints(out);
  if (from) await cutBack(autoencoderPaths(out).metrics, from.step);
}

/** Order and flips of the pictures. @throws UsageError if they do not fill a batch */
const planOf = ({ batch, seed, flip }: AutoencoderTraining, { count }: Dataset): BatchPlan =>
  new BatchPlan({ count, batch, seed, timesteps: 1, flip });

/** The loop, and what is due between its steps. */
class AutoencoderRun {
  readonly #training: Training;
  readonly #plan: BatchPlan;
  readonly #outputs: AutoencoderOutputs;
  readonly #from: Begin['from'];
  readonly #signal: AbortSignal | undefined;

  constructor(training: Training, plan: BatchPlan, begin: Begin, signal: AbortSignal | undefined) {
    this.#training = training;
    this.#plan = plan;
    this.#from = begin.from;
    this.#signal = signal;
    this.#outputs = new AutoencoderOutputs(training, begin.from?.checkpoint);
  }

  async go(): Promise<Statistics & { readonly loss: number | null }> {
    const outputs = this.#outputs;
    const { settings, tell } = this.#training;
    try {
      const taken = this.#from?.step ?? 0;
      if (this.#from === null) await outputs.checkpoint(0);
      if (taken === settings.steps)
        tell({ kind: 'note', text: `nothing to do: ${taken} steps are taken` });
      await this.#steps(taken);
      if (taken < settings.steps) await outputs.checkpoint(settings.steps);
      // Also if all steps were taken: a crash may have come before.
      const statistics = await outputs.publish(settings.steps);
      return { ...statistics, loss: outputs.meanLoss };
    } finally {
      outputs.close();
    }
  }

  async #steps(taken: number): Promise<void> {
    const { settings, network } = this.#training;
    const { batch, steps, saveEvery } = settings;
    const t = noTimes(batch);
    let next = taken < steps ? this.#read(taken) : undefined;
    for (let step = taken; step < steps; step++) {
      const begun = performance.now();
      const xt = await next!;
      const read = performance.now();
      next = step + 1 < steps ? this.#read(step + 1) : undefined;
      // Whoever waits for it next learns of a failure.
      next?.catch(() => {});
      const lr = learningRate({ ...RATE, lr: settings.lr }, step, steps);
      const loss = await network.trainStep({ xt, t }, xt, lr);
      const done = step + 1;
      if (!Number.isFinite(loss)) throw this.#outputs.diverged(done, `the loss is ${loss}`);
      const now = performance.now();
      const ms = { data: read - begun, step: now - read };
      const imagesPerSecond = (1000 * batch) / (now - begun);
      const epoch = this.#plan.epochOf(step);
      this.#outputs.record({ step: done, epoch, loss, lr, imagesPerSecond, ms });
      // TensorFlow holds the thread for as long as it computes: signals come here.
      await setImmediate();
      if (done === steps) break;
      if (this.#signal?.aborted) await this.#stop(done);
      if (saveEvery > 0 && done % saveEvery === 0) {
        await this.#outputs.checkpoint(done);
        await this.#outputs.publish(done);
        if (this.#signal?.aborted) throw this.#interruptedAt(done);
      }
    }
  }

  /** The pictures of a step, in [−1, 1]. */
  async #read(step: number): Promise<Float32Array> {
    const { dataset, settings } = this.#training;
    const { indices, flips } = this.#plan.batch(step);
    const { size, channels } = dataset;
    const pixels = new Uint8Array(indices.length * size * size * channels);
    // Before others are announced, which replaces what was.
    const reading = dataset.read(indices, pixels);
    const ahead = [step + 1, step + 2].filter((later) => later < settings.steps);
    dataset.ahead(ahead.map((later) => this.#plan.indices(later)));
    await reading;
    return sharedArithmetic().batchToFloat(pixels, flips, { height: size, width: size, channels });
  }

  /** Ends an interrupted training: the state first, then what takes longer. @throws Interrupted */
  async #stop(step: number): Promise<never> {
    await this.#outputs.checkpoint(step);
    await this.#outputs.publish(step);
    throw this.#interruptedAt(step);
  }

  #interruptedAt(step: number): Interrupted {
    const { out } = this.#training;
    return new Interrupted(
      `interrupted at step ${step}; saved ${out}\nTo continue: haze autoencoder --out ${shellWord(out)} --resume`,
    );
  }
}
