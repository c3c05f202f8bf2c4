/** What an autoencoder's training writes: its log, and at each save a checkpoint and the autoencoder. */
import type { AutoencoderTraining } from '../../config/autoencoder-training.js';
import type { DeviceChoice } from '../../config/config.js';
import type { NetworkDevice } from '../../contracts/device.js';
import type { Dataset } from '../../data/dataset.js';
import { openGraph } from '../../device/open-graph.js';
import { RunError } from '../../errors.js';
import {
  autoencoderPaths,
  makeAutoencoderFolder,
  writeAutoencoderFolder,
  writeReconstructions,
} from '../../io/autoencoder-folder.js';
import { writeCheckpoint } from '../../io/checkpoint.js';
import { LAST, MetricsLog, type StepMetrics } from '../../io/metrics.js';
import type { AutoencoderKlConfig } from '../../network/autoencoder-kl-config.js';
import { posteriorState } from '../../network/autoencoder-whole.js';
import type { Graph } from '../../network/graph.js';
import { stateShapes } from '../../network/parameters.js';
import { firstNotFinite, type StateDict } from '../../network/state.js';
import { type Listing, stateOf } from './begin.js';
import { latentStatistics, reconstructions, type Statistics } from './measure.js';
import type { AutoencoderEvent } from './options.js';

/** What is trained, on what, and where it goes. */
export interface Training {
  readonly out: string;
  readonly settings: AutoencoderTraining;
  readonly config: AutoencoderKlConfig;
  readonly device: DeviceChoice['device'];
  readonly network: NetworkDevice;
  /** Of the pictures, as diffusers has it. */
  readonly encoder: Graph;
  readonly dataset: Dataset;
  readonly listing: Listing;
  /** Locks the folder, once it exists. */
  readonly hold: () => Promise<void>;
  readonly tell: (event: AutoencoderEvent) => void;
}

export class AutoencoderOutputs {
  readonly #training: Training;
  readonly #log: MetricsLog;
  readonly #recent: number[] = [];
  #saved: string | undefined;

  /** @param saved the checkpoint that the training continues from */
  constructor(training: Training, saved: string | undefined) {
    this.#training = training;
    this.#saved = saved;
    this.#log = MetricsLog.open(autoencoderPaths(training.out).metrics);
  }

  /** The mean loss of the last steps; null before the first. */
  get meanLoss(): number | null {
    const losses = this.#recent;
    return losses.length > 0 ? losses.reduce((a, b) => a + b, 0) / losses.length : null;
  }

  record(line: StepMetrics): void {
    const { step, epoch, loss, imagesPerSecond } = line;
    this.#recent.push(loss);
    if (this.#recent.length > LAST) this.#recent.shift();
    const ms = Object.fromEntries(Object.entries(line.ms).map(([k, v]) => [k, round(v)]));
    this.#log.append({ ...line, imagesPerSecond: round(imagesPerSecond), ms });
    const { tell, settings } = this.#training;
    const totalSteps = settings.steps;
    tell({ kind: 'step', step, totalSteps, epoch: epoch + 1, loss, imagesPerSecond });
  }

  /** Saves the state after a step, for a resume. Resolves to the checkpoint's folder. @throws RunError */
  async checkpoint(step: number): Promise<string> {
    const { out, network, settings, listing, hold, tell } = this.#training;
    await makeAutoencoderFolder(out);
    await hold();
    this.#log.flush();
    const parts = {
      model: async () => this.#finite(step, await network.exportState()),
      optimizer: () => network.exportOptimizer(),
      state: stateOf(settings, listing, network.description),
    };
    this.#saved = await writeCheckpoint(out, step, parts, 1);
    if (step > 0) tell({ kind: 'checkpoint', step, path: this.#saved });
    return this.#saved;
  }

  /** Writes the autoencoder after a step, and shows what comes back. @throws RunError */
  async publish(step: number): Promise<Statistics> {
    const { out, network, settings, dataset, tell } = this.#training;
    const state = posteriorState(this.#finite(step, await network.exportState()));
    const statistics = await this.#measure(step, state);
    const config = { ...this.#training.config, ...scaling(statistics) };
    await writeAutoencoderFolder(out, config, settings.size, state);
    const { size, channels } = dataset;
    const shown = await reconstructions(network, dataset);
    await writeReconstructions(out, { ...shown, height: size, width: size, channels });
    tell({ kind: 'samples', step, path: autoencoderPaths(out).reconstructions });
    return statistics;
  }

  /** Measures latents by the encoder that is written. */
  async #measure(step: number, state: StateDict): Promise<Statistics> {
    const { device, settings, config, encoder, dataset, tell } = this.#training;
    const use = { batch: settings.batch, training: false };
    const { network } = await openGraph(device, settings, encoder, use);
    try {
      const own = [...stateShapes(encoder).keys()].map((name) => [name, state.get(name)!] as const);
      await network.importState(new Map(own));
      return await latentStatistics(network, config, dataset, {
        onProgress: (done, total) => tell({ kind: 'pause', step, what: 'latents', done, total }),
      });
    } finally {
      await network.dispose();
    }
  }

  /** The log's lines were synced with the last checkpoint; a failure here must not hide the training's own. */
  close(): void {
    try {
      this.#log.close();
    } catch (error) {
      this.#training.tell({ kind: 'warning', text: (error as Error).message });
    }
  }

  /** Weights that are finite must not be replaced by others. @throws RunError */
  #finite(step: number, state: StateDict): StateDict {
    const fault = firstNotFinite(state);
    if (fault) throw this.diverged(step, `${fault.name} became ${fault.value}`);
    return state;
  }

  diverged(step: number, what: string): RunError {
    return new RunError(
      `step ${step}: ${what}; the checkpoint ${this.#saved} stays. A lower --lr may help`,
    );
  }
}

/** Latents of mean 0 and standard deviation 1. Those of untrained weights may all be equal. */
const scaling = ({ mean, deviation }: Statistics): { scale: number; shift: number } => ({
  scale: short(deviation > 0 ? 1 / deviation : 1),
  shift: short(mean),
});

/** As many digits as are of use. */
const short = (value: number): number => Number(value.toPrecision(7));

/** Three decimals: timings are not more precise. */
const round = (value: number): number => Math.round(value * 1000) / 1000;
