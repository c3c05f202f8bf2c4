/** What is measured of an autoencoder: its latents, and how near what comes back is to the pictures. */
import { setImmediate } from 'node:timers/promises';
import type { NetworkDevice } from '../../contracts/device.js';
import type { Dataset } from '../../data/dataset.js';
import { noTimes } from '../../device/open-graph.js';
import { sharedArithmetic } from '../../engine/arithmetic.js';
import type { AutoencoderKlConfig } from '../../network/autoencoder-kl-config.js';
import { latentsOf } from '../../network/latents.js';
import type { Attention } from '../options.js';

/** The most pictures that are measured. */
const MOST = 512;

/** The most pictures that are shown. */
const SHOWN = 8;

/** Pictures that are measured, spread over the data: the first ones of sorted data are of one kind. */
export const measuredOf = ({ count }: Pick<Dataset, 'count'>): number[] => spread(count, MOST);

function spread(count: number, most: number): number[] {
  const some = Math.min(count, most);
  return Array.from({ length: some }, (_, k) => Math.floor((k * count) / some));
}

/** Mean and standard deviation. */
export interface Statistics {
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Statistics of all values of pictures' latents, neither scaled nor shifted.
 * @param encoder of the pictures
 * @throws the reason with which `signal` was aborted
 */
export async function latentStatistics(
  encoder: NetworkDevice,
  config: AutoencoderKlConfig,
  dataset: Dataset,
  attention: Attention,
): Promise<Statistics> {
  let [count, sum, squares] = [0, 0, 0];
  const plain = { ...config, scale: 1, shift: 0 };
  await each(encoder, dataset, measuredOf(dataset), attention, (_, encoded) => {
    const latents = new Float32Array(encoded.length / 2);
    latentsOf(plain, encoded, latents);
    for (const value of latents) {
      sum += value;
      squares += value * value;
    }
    count += latents.length;
  });
  const mean = sum / count;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

/**
 * The peak signal-to-noise ratio in dB, of 8-bit values: 10·log10(255²/the mean squared error); infinite if every picture comes back.
 * @param network the whole autoencoder
 * @throws the reason with which `signal` was aborted
 */
export async function signalToNoise(
  network: NetworkDevice,
  dataset: Dataset,
  attention: Attention,
): Promise<number> {
  let [count, squares] = [0, 0];
  await each(network, dataset, measuredOf(dataset), attention, (pixels, output) => {
    const back = sharedArithmetic().toBytes(output);
    for (let i = 0; i < pixels.length; i++) squares += (pixels[i]! - back[i]!) ** 2;
    count += pixels.length;
  });
  return 10 * Math.log10(255 ** 2 / (squares / count));
}

/** Some pictures, and after them what comes back: u8 [2·count, size, size, channels]. */
export async function reconstructions(
  network: NetworkDevice,
  dataset: Dataset,
): Promise<{ data: Uint8Array; count: number }> {
  const shown = spread(dataset.count, SHOWN);
  const pictures: Uint8Array[] = [];
  const back: Uint8Array[] = [];
  await each(network, dataset, shown, {}, (pixels, output) => {
    pictures.push(pixels);
    back.push(sharedArithmetic().toBytes(output));
  });
  return { data: Buffer.concat([...pictures, ...back]), count: 2 * shown.length };
}

/** Computes pictures in the network's batches, and takes each batch's bytes and outputs. */
async function each(
  network: NetworkDevice,
  dataset: Dataset,
  indices: readonly number[],
  { signal, onProgress }: Attention,
  take: (pixels: Uint8Array, output: Float32Array) => void,
): Promise<void> {
  const { batch } = network;
  const { size, channels } = dataset;
  const bytes = size * size * channels;
  for (let first = 0; first < indices.length; first += batch) {
    signal?.throwIfAborted();
    const some = indices.slice(first, first + batch);
    // A last batch is filled with zeros; an image's output does not depend on the others.
    const pixels = new Uint8Array(batch * bytes);
    await dataset.read(some, pixels);
    const xt = sharedArithmetic().toFloat(pixels);
    const output = await network.predict({ xt, t: noTimes(batch) }, 'running');
    const part = some.length / batch;
    take(pixels.subarray(0, part * pixels.length), output.subarray(0, part * output.length));
    onProgress?.(first + some.length, indices.length);
    // TensorFlow holds the thread for as long as it computes.
    await setImmediate();
  }
}
