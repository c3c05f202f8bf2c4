/** Opens an autoencoder on the chosen device: each half when it is first needed, for one picture at a time. */
import { setImmediate } from 'node:timers/promises';
import type { ComputingConfig } from '../config/config.js';
import type { Autoencoder } from '../contracts/autoencoder.js';
import type { NetworkDevice } from '../contracts/device.js';
import { RunError, ShapeError, UsageError } from '../errors.js';
import { type AutoencoderFiles, readHalf } from '../io/autoencoder.js';
import {
  AUTOENCODER_CLASSES,
  buildDecoder,
  buildEncoder,
  type Half,
  latentFactor,
} from '../network/autoencoder.js';
import type { Graph } from '../network/graph.js';
import { decoderInput, latentsOf } from '../network/latents.js';
import { elements } from '../network/state.js';
import { chooseDevice } from './choose.js';
import { describeDevice, noTimes, openGraph } from './open-graph.js';

export interface AutoencoderOptions {
  readonly computing: ComputingConfig;
  /** Whether a CUDA GPU has to compute. */
  readonly requireCuda: boolean;
}

/**
 * An autoencoder for latents of `latentSize` pixels a side. The first `encode` reads the encoder's weights and takes its memory, the
 * first `decode` the decoder's: both throw a UsageError for weights of another network, or if there is too little memory.
 * @throws UsageError if TensorFlow is not set up; CheckError without a GPU that is required
 */
export async function openAutoencoder(
  files: AutoencoderFiles,
  latentSize: number,
  { computing, requireCuda }: AutoencoderOptions,
): Promise<Autoencoder> {
  const { device } = await chooseDevice(computing, requireCuda);
  const name = AUTOENCODER_CLASSES[files.config.kind];
  return new DeviceAutoencoder(files, latentSize, {
    description: `${name} on ${await describeDevice(device, computing)}`,
    open: async (graph) =>
      (await openGraph(device, computing, graph, { batch: 1, training: false })).network,
  });
}

/** How halves are opened, and what on. */
interface Opener {
  readonly description: string;
  readonly open: (graph: Graph) => Promise<NetworkDevice>;
}

class DeviceAutoencoder implements Autoencoder {
  readonly description: string;
  readonly latentSize: number;
  readonly size: number;
  readonly latentChannels: number;
  readonly channels: 1 | 3;
  readonly #files: AutoencoderFiles;
  readonly #open: Opener['open'];
  readonly #halves = new Map<Half, NetworkDevice>();
  #disposed = false;

  constructor(files: AutoencoderFiles, latentSize: number, { description, open }: Opener) {
    const { config } = files;
    this.description = description;
    this.latentSize = latentSize;
    this.size = latentSize * latentFactor(config);
    this.latentChannels = config.latentChannels;
    this.channels = config.channels;
    this.#files = files;
    this.#open = open;
  }

  encode(pictures: Float32Array): Promise<Float32Array> {
    const { config } = this.#files;
    const shapes = { from: this.#pictures, to: this.#latents };
    return this.#each('encoder', pictures, shapes, async (predict, picture, latents) =>
      latentsOf(config, await predict(picture), latents),
    );
  }

  decode(latents: Float32Array): Promise<Float32Array> {
    const { config } = this.#files;
    const shapes = { from: this.#latents, to: this.#pictures };
    return this.#each('decoder', latents, shapes, async (predict, one, picture) =>
      picture.set(await predict(decoderInput(config, one))),
    );
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    const open = [...this.#halves.values()];
    this.#halves.clear();
    for (const network of open) await network.dispose();
  }

  get #pictures(): Images {
    return { what: 'pictures', shape: [this.size, this.size, this.channels] };
  }

  get #latents(): Images {
    return { what: 'latents', shape: [this.latentSize, this.latentSize, this.latentChannels] };
  }

  /** Computes images one by one, each from a part of `values` into a part of the result. */
  async #each(
    half: Half,
    values: Float32Array,
    shapes: { from: Images; to: Images },
    compute: (predict: Predict, from: Float32Array, to: Float32Array) => Promise<void>,
  ): Promise<Float32Array> {
    const [from, to] = [elements(shapes.from.shape), elements(shapes.to.shape)];
    if (values.length % from !== 0)
      throw new ShapeError(
        `autoencoder: ${shapes.from.what} have ${values.length} elements, expected a multiple of ${shapes.from.shape.join(' x ')}`,
      );
    const network = await this.#half(half);
    const count = values.length / from;
    const out = new Float32Array(count * to);
    const predict: Predict = (xt) => network.predict({ xt, t: NO_TIME }, 'running');
    for (let i = 0; i < count; i++) {
      const image = values.subarray(i * from, (i + 1) * from);
      await compute(predict, image, out.subarray(i * to, (i + 1) * to));
      // TensorFlow holds the thread for as long as it computes.
      await setImmediate();
    }
    return out;
  }

  async #half(half: Half): Promise<NetworkDevice> {
    if (this.#disposed) throw new RunError(DISPOSED);
    const known = this.#halves.get(half);
    if (known) return known;
    const { config, weights } = this.#files;
    const graph =
      half === 'encoder' ? buildEncoder(config, this.size) : buildDecoder(config, this.latentSize);
    const state = await readHalf(weights, half, graph);
    const network = await this.#open(graph).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(
        `autoencoder: the ${half} of pictures of ${this.size} x ${this.size}: ${error.message}`,
      );
    });
    if (this.#disposed) {
      await network.dispose();
      throw new RunError(DISPOSED);
    }
    this.#halves.set(half, network);
    await network.importState(state);
    return network;
  }
}

const DISPOSED = 'autoencoder: it has been disposed of';

/** f32 [height, width, channels]. */
interface Images {
  readonly what: string;
  readonly shape: readonly number[];
}

/** A half on one image. */
type Predict = (image: Float32Array) => Promise<Float32Array>;

const NO_TIME = noTimes(1);
