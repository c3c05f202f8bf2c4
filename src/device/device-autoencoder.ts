/** An autoencoder on any device: each half is opened when it is first needed, for one picture at a time. It needs no Node. */
import type { Autoencoder } from '../contracts/autoencoder.js';
import type { NetworkDevice } from '../contracts/device.js';
import { EngineError, RunError, ShapeError, UsageError } from '../errors.js';
import {
  type AutoencoderConfig,
  buildDecoder,
  buildEncoder,
  type Half,
  latentFactor,
} from '../network/autoencoder.js';
import type { Graph } from '../network/graph.js';
import { decoderInput, latentsOf } from '../network/latents.js';
import { elements, type StateDict } from '../network/state.js';
import { type GraphUse, noTimes } from './untimed-graph.js';

/** How halves are opened, and what on. */
export interface Opener {
  /** For headers, e.g. `AutoencoderTiny on wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  /** A half's weights, under the names of its graph. */
  readonly read: (half: Half, graph: Graph) => Promise<StateDict>;
  readonly open: (graph: Graph) => Promise<NetworkDevice>;
  /** Called after each image, and waited for. Default none. */
  readonly rest?: () => Promise<unknown>;
}

/** What a half is opened for. */
export const HALF_USE = { batch: 1, training: false } as const satisfies GraphUse;

export class DeviceAutoencoder implements Autoencoder {
  readonly description: string;
  readonly latentSize: number;
  readonly size: number;
  readonly latentChannels: number;
  readonly channels: 1 | 3;
  readonly #config: AutoencoderConfig;
  readonly #opener: Opener;
  readonly #halves = new Map<Half, NetworkDevice>();
  #disposed = false;

  constructor(config: AutoencoderConfig, latentSize: number, opener: Opener) {
    this.description = opener.description;
    this.latentSize = latentSize;
    this.size = latentSize * latentFactor(config);
    this.latentChannels = config.latentChannels;
    this.channels = config.channels;
    this.#config = config;
    this.#opener = opener;
  }

  encode(pictures: Float32Array): Promise<Float32Array> {
    const shapes = { from: this.#pictures, to: this.#latents };
    return this.#each('encoder', pictures, shapes, async (predict, picture, latents) =>
      latentsOf(this.#config, await predict(picture), latents),
    );
  }

  decode(latents: Float32Array): Promise<Float32Array> {
    const shapes = { from: this.#latents, to: this.#pictures };
    return this.#each('decoder', latents, shapes, async (predict, one, picture) =>
      picture.set(await predict(decoderInput(this.#config, one))),
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
    const predict: Predict = (xt) =>
      network.predict({ xt, t: NO_TIME }, 'running').catch(async (error: unknown) => {
        // Its engine cannot be used after one; the next call opens another.
        if (error instanceof EngineError) await this.#close(half, network);
        throw error;
      });
    for (let i = 0; i < count; i++) {
      const image = values.subarray(i * from, (i + 1) * from);
      await compute(predict, image, out.subarray(i * to, (i + 1) * to));
      await this.#opener.rest?.();
    }
    return out;
  }

  async #close(half: Half, network: NetworkDevice): Promise<void> {
    if (this.#halves.get(half) === network) this.#halves.delete(half);
    await network.dispose();
  }

  async #half(half: Half): Promise<NetworkDevice> {
    if (this.#disposed) throw new RunError(DISPOSED);
    const known = this.#halves.get(half);
    if (known) return known;
    const graph =
      half === 'encoder'
        ? buildEncoder(this.#config, this.size)
        : buildDecoder(this.#config, this.latentSize);
    const state = await this.#opener.read(half, graph);
    const network = await this.#opener.open(graph).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${halfInWords(half, this.size)}: ${error.message}`);
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

/** A half, for messages. */
export const halfInWords = (half: Half, size: number): string =>
  `autoencoder: the ${half} of pictures of ${size} x ${size}`;

const DISPOSED = 'autoencoder: it has been disposed of';

/** f32 [height, width, channels]. */
interface Images {
  readonly what: string;
  readonly shape: readonly number[];
}

/** A half on one image. */
type Predict = (image: Float32Array) => Promise<Float32Array>;

const NO_TIME = noTimes(1);
