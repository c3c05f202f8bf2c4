/** Pictures of a run as the latents of its autoencoder. */
import { createHash } from 'node:crypto';
import type { RunConfig } from '../config/config.js';
import type { Autoencoder } from '../contracts/autoencoder.js';
import type { Dataset } from '../data/dataset.js';
import type { TrainingData } from '../data/held-out.js';
import { LatentStore } from '../data/latent-store.js';
import { encodeDataset, type LatentDataset } from '../data/latents.js';
import type { RunData } from '../data/run-images.js';
import { openAutoencoder } from '../device/open-autoencoder.js';
import { UsageError } from '../errors.js';
import { type AutoencoderFiles, findAutoencoder, readHalf } from '../io/autoencoder.js';
import { runPaths } from '../io/run.js';
import { bytesOf } from '../io/tensor-data.js';
import { buildEncoder, latentFactor } from '../network/autoencoder.js';
import type { StateDict } from '../network/state.js';
import { buildId } from '../queue/build.js';
import { encoderInWords } from '../sample/decode.js';
import { arithmeticOf } from './arithmetic-of.js';
import type { TrainEvent, TrainOptions } from './options.js';
import { planOf } from './plan.js';

/**
 * The autoencoder of a run: the one that a new run's config names, or the copy in a run's folder; null for a run on pixels.
 * @throws UsageError for anything else, and for latents of other channels than the network's
 */
export function autoencoderOf({
  config: { data, model },
  out,
  resume = false,
}: Pick<TrainOptions, 'config' | 'out' | 'resume'>): AutoencoderFiles | null {
  if (data.autoencoder === undefined) return null;
  const files = findAutoencoder(resume ? runPaths(out).vae : data.autoencoder);
  const { latentChannels } = files.config;
  if (latentChannels === model.channels) return files;
  throw new UsageError(
    `${files.folder}: expected latents of ${model.channels} channels, as this run's network has, got ${latentChannels}`,
  );
}

/**
 * Encodes a run's pictures, or finds their latents in the cache, and closes the pictures. Held-out ones are never mirrored.
 * @throws UsageError for an autoencoder that cannot be used; the reason with which `signal` was aborted
 */
export async function encodeData(
  pictures: TrainingData,
  files: AutoencoderFiles,
  { config, requireCuda = false, signal }: TrainOptions,
  onEvent: (event: TrainEvent) => void,
): Promise<RunData> {
  const { model, computing, data } = config;
  const autoencoder = await openAutoencoder(files, model.size, { computing, requireCuda });
  let train: LatentDataset | undefined;
  let store: LatentStore | undefined;
  try {
    // Too few pictures for a step are refused before they are encoded.
    planOf(config, pictures.train);
    onEvent({ kind: 'note', text: encoderInWords(autoencoder) });
    const encoder = await hashOfEncoder(files);
    store = await LatentStore.open((text) => onEvent({ kind: 'warning', text }));
    const encoding = {
      ...{ identity: identityOf(encoder, autoencoder, config), store, signal },
      onProgress: (done: number, total: number) => onEvent({ kind: 'encoding', done, total }),
      onWait: () => onEvent({ kind: 'note', text: WAITS }),
    };
    const encode = (of: Dataset, mirrored: boolean) =>
      encodeDataset(of, autoencoder, { ...encoding, mirrored });
    train = await encode(pictures.train, data.flip);
    const heldOut = pictures.heldOut && (await encode(pictures.heldOut, false));
    const close = async () => void (await Promise.all([train!.close(), heldOut?.close()]));
    return { train, heldOut, encoder, close };
  } catch (error) {
    await train?.close();
    if (signal?.aborted && store?.keeps) onEvent({ kind: 'note', text: KEPT });
    throw error;
  } finally {
    await autoencoder.dispose();
    await pictures.close();
  }
}

const WAITS = 'another process is encoding these pictures; waiting for it';
const KEPT = 'the latents that were encoded are kept; the same command goes on from there';

/** A hash of what latents depend on beside the pictures: this build, the device, and the encoder. */
function identityOf(
  encoder: string,
  { description }: Autoencoder,
  { computing }: RunConfig,
): string {
  const about = [buildId(computing.strict), arithmeticOf(description), encoder];
  return createHash('sha256').update(JSON.stringify(about)).digest('hex');
}

/** A hash of an encoder's config and weights, however they are stored. */
async function hashOfEncoder({ config, weights }: AutoencoderFiles): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(config));
  const state: StateDict = await readHalf(
    weights,
    'encoder',
    buildEncoder(config, latentFactor(config)),
  );
  for (const [name, { shape, data }] of state)
    hash.update(`\n${name} ${shape.join()}\n`).update(bytesOf(data));
  return hash.digest('hex');
}
