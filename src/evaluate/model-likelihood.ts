/** The likelihood of images under a model, computed on its device; of a model of latents the losses on the images' latents. */

import { threadCount } from '../config/computing.js';
import { among, requireClasses } from '../data/classes.js';
import { encodePicture } from '../data/latents.js';
import type { Source } from '../data/source.js';
import { chooseDevice } from '../device/choose.js';
import { openUnet } from '../device/open.js';
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeSchedule } from '../diffusion/schedule.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { readWeights } from '../io/weights.js';
import { encoderInWords, withAutoencoder } from '../sample/decode.js';
import type { Breath } from './breath.js';
import { streamImages } from './image-stream.js';
import { likelihood } from './likelihood.js';
import type { EvaluateOptions, Evaluation, ModelSubject } from './options.js';

/** Images per pass: as many as `haze generate` draws at a time. */
const BATCHES = { wasm: 16, tensorflow: 64 } as const;

interface Means {
  readonly random: CounterRandom;
  readonly breath: Breath;
  readonly onNote: (text: string) => void;
  /** Told of passes, and of pictures that are encoded. */
  readonly onProgress: (what: string, done: number, total: number) => void;
}

/** Uses some of the images, chosen by the seed. @throws UsageError if the model does not fit, or no image can be read */
export async function modelLikelihood(
  subject: ModelSubject,
  source: Source,
  options: EvaluateOptions,
  means: Means,
): Promise<NonNullable<Evaluation['likelihood']>> {
  const { random, breath, onNote, onProgress } = means;
  const { model, pictures, autoencoder, diffusion, sampling, weights } = subject;
  const { computing, requireCuda, heldOutImages } = options;
  const { objective = 'epsilon' } = diffusion;
  if (objective === 'flow') throw new Error('flow has no bound here, which was checked');
  const labels = await labelsOf(subject, source);
  const { pixels, numbers } = await choose(
    source,
    pictures,
    options,
    random,
    heldOutImages,
    onNote,
  );
  const values = autoencoder
    ? await latentsOf(autoencoder, pixels, numbers, { subject, source, options, means })
    : pixels;
  const { device } = await chooseDevice(computing, requireCuda);
  const schedule = makeSchedule(diffusion);
  const { unet } = await openUnet(device, computing, {
    architecture: model,
    size: model.size,
    batch: BATCHES[device],
    timesteps: schedule.timesteps,
    training: false,
  });
  try {
    await unet.importState(await readWeights(weights));
    const each = values.length / numbers.length;
    const variance = sampling.variance ?? 'small';
    const found = await likelihood(
      {
        ...{ schedule, variance, values },
        onProgress: (done, total) => onProgress('passes', done, total),
        images: numbers.length,
        batch: unet.batch,
        objective,
        predict: (xt, t, images) =>
          unet.predict({ xt, t, ...ofImages(labels, numbers, images) }, 'running'),
        noise: (image, t) => random.normals(PURPOSE.likelihoodNoise, numbers[image]!, t, each),
      },
      breath,
    );
    return { ...found, name: source.name, variance: autoencoder ? null : variance };
  } finally {
    await unet.dispose();
  }
}

interface Encoded {
  readonly subject: ModelSubject;
  readonly source: Source;
  readonly options: EvaluateOptions;
  readonly means: Means;
}

/** The latents of pictures, encoded as for training. @throws UsageError for latents that are not finite */
async function latentsOf(
  files: AutoencoderFiles,
  pixels: Uint8Array,
  numbers: readonly number[],
  { subject: { model }, source, options, means: { breath, onNote, onProgress } }: Encoded,
): Promise<Float32Array> {
  const { computing, requireCuda } = options;
  const count = numbers.length;
  return withAutoencoder(files, { model, computing, requireCuda }, async (autoencoder) => {
    onNote(encoderInWords(autoencoder));
    const { latentSize, latentChannels } = autoencoder;
    const [from, to] = [pixels.length / count, latentSize ** 2 * latentChannels];
    const latents = new Float32Array(count * to);
    for (const [k, number] of numbers.entries()) {
      const picture = pixels.subarray(k * from, (k + 1) * from);
      const name = `--held-out: ${source.label(number)}`;
      latents.set(await encodePicture(picture, false, autoencoder, name), k * to);
      onProgress('pictures encoded', k + 1, count);
      await breath.take();
    }
    return latents;
  });
}

/** The class of each image among the model's; null for an unconditional model. @throws UsageError */
async function labelsOf(
  { condition, classNames }: ModelSubject,
  source: Source,
): Promise<Int32Array | null> {
  if (!condition) return null;
  const classes = await requireClasses('--held-out', source);
  return among(`--held-out: ${source.name}`, classes, classNames).labels;
}

const ofImages = (labels: Int32Array | null, numbers: readonly number[], images: Int32Array) =>
  labels ? { labels: images.map((image) => labels[numbers[image]!]!) } : {};

/** Images chosen by the seed, in the order of the source. */
async function choose(
  source: Source,
  { size, channels }: ModelSubject['pictures'],
  { fit, computing, signal }: EvaluateOptions,
  random: CounterRandom,
  most: number,
  onNote: (text: string) => void,
) {
  const order = random.permutation(PURPOSE.likelihoodImages, 0, source.count);
  const chosen = order.slice(0, most).sort();
  const some: Source = {
    ...source,
    count: chosen.length,
    item: (i) => source.item(chosen[i]!),
    label: (i) => source.label(chosen[i]!),
  };
  const parts: Uint8Array[] = [];
  const numbers: number[] = [];
  for await (const chunk of streamImages(some, {
    ...{ size, channels, fit, signal },
    threads: threadCount(computing),
    onSkipped: ({ path, reason }) => onNote(`skipped ${path}: ${reason}`),
  })) {
    parts.push(chunk.pixels);
    numbers.push(...chunk.numbers.map((i) => chosen[i]!));
  }
  return { pixels: new Uint8Array(Buffer.concat(parts)), numbers };
}
