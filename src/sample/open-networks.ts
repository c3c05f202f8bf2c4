import type { ComputingConfig, ModelConfig } from '../config/config.js';
import type { NetworkDevice } from '../contracts/device.js';
import { chooseDevice } from '../device/choose.js';
import { type AnyArithmetic, openArithmetic, openUnet } from '../device/open.js';
import type { StateDict } from '../network/state.js';
import type { SamplerNetwork } from './split-sampler.js';

/** Batch sizes whose networks are kept: one that predicts beside one that samples. */
const KEPT = 2;

/** The options that networks are opened with. */
export interface NetworkOptions {
  readonly model: ModelConfig;
  /** T; real timesteps may be any numbers. */
  readonly timesteps: number;
  readonly computing: ComputingConfig;
  readonly requireCuda: boolean;
}

/**
 * A model's weights on a device, for batches of any size. A network has a fixed batch size, so there is one for each recently
 * requested size. One call at a time.
 */
export class OpenNetworks {
  readonly device: 'wasm' | 'tensorflow';
  readonly arithmetic: AnyArithmetic;
  readonly #options: NetworkOptions;
  readonly #state: StateDict;
  /** The most recently used one is last. */
  readonly #open = new Map<number, NetworkDevice>();

  private constructor(
    device: 'wasm' | 'tensorflow',
    arithmetic: AnyArithmetic,
    state: StateDict,
    options: NetworkOptions,
  ) {
    this.device = device;
    this.arithmetic = arithmetic;
    this.#state = state;
    this.#options = options;
  }

  /** @throws CheckError if a GPU is required and there is none; UsageError for a device that is not set up */
  static async open(state: StateDict, options: NetworkOptions): Promise<OpenNetworks> {
    const { device } = await chooseDevice(options.computing, options.requireCuda);
    return new OpenNetworks(device, await openArithmetic(options.computing), state, options);
  }

  /** A network for the batch, opened lazily; the underlying one may change between calls. */
  ofBatch(batch: number): SamplerNetwork {
    return {
      ...{ batch, description: this.device },
      predict: async (input, norm) => (await this.#network(batch)).predict(input, norm),
      dispose: async () => {},
    };
  }

  /** Frees memory and workers; safe to call twice. */
  async dispose(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const network of open) await network.dispose();
  }

  /** @throws UsageError for a batch that does not fit into memory */
  async #network(batch: number): Promise<NetworkDevice> {
    const known = this.#open.get(batch);
    this.#open.delete(batch);
    const network = known ?? (await this.#opened(batch));
    this.#open.set(batch, network);
    return network;
  }

  async #opened(batch: number): Promise<NetworkDevice> {
    await this.#makeRoom();
    const { model, timesteps, computing } = this.#options;
    const shape = { architecture: model, size: model.size, batch, timesteps, training: false };
    const { unet } = await openUnet(this.device, computing, shape);
    try {
      await unet.importState(this.#state);
      return unet;
    } catch (error) {
      await unet.dispose();
      throw error;
    }
  }

  async #makeRoom(): Promise<void> {
    const [oldest] = this.#open.keys();
    if (oldest === undefined || this.#open.size < KEPT) return;
    const network = this.#open.get(oldest)!;
    this.#open.delete(oldest);
    await network.dispose();
  }
}
