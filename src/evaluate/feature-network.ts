/** A network whose output is used as features of images. */
import type { FeatureConfig } from '../config/evaluation.js';
import { RunError, UsageError } from '../errors.js';
import { hashFile } from '../io/hash.js';
import { FeatureInput, type InputForm } from './feature-input.js';
import { firstLine, type OnnxNetwork, type OnnxTensor, type OnnxValue, openOnnx } from './onnx.js';

/** Input size if neither the file nor a flag gives it: Inception's. */
const USUAL_SIZE = 299;

/** Batch if the file does not give it. */
const USUAL_BATCH = 32;

/** The most features per image: their covariance takes half a gigabyte. */
const MOST_FEATURES = 8192;

/** The network and its settings, for readers of the figures. */
export interface FeatureDescription {
  readonly file: string;
  readonly sha256: string;
  readonly output: string;
  readonly features: number;
  readonly input: InputForm;
}

export class FeatureNetwork {
  readonly #network: OnnxNetwork;
  readonly #form: InputForm;
  readonly #batch: number;
  readonly #output: string;
  readonly #file: string;
  readonly #sha256: string;

  private constructor(
    network: OnnxNetwork,
    file: string,
    sha256: string,
    output: string,
    { form, batch }: { form: InputForm; batch: number },
  ) {
    this.#network = network;
    this.#file = file;
    this.#sha256 = sha256;
    this.#output = output;
    this.#form = form;
    this.#batch = batch;
  }

  /** @throws UsageError for a file that is not a network of images, and for flags that do not fit it */
  static async open(config: FeatureConfig, threads: number): Promise<FeatureNetwork> {
    const network = await openOnnx(config.file, threads);
    try {
      const { session } = network;
      if (session.inputNames.length !== 1)
        throw new UsageError(
          `--features ${config.file}: expected one input, got ${list(session.inputNames)}`,
        );
      const form = formOf(config, session.inputMetadata?.[0]);
      const output = outputOf(config, session.outputNames);
      return new FeatureNetwork(network, config.file, await hashFile(config.file), output, form);
    } catch (error) {
      await network.session.release();
      throw error;
    }
  }

  /** An extractor for images of one size, which gives the features of each image in order. */
  extractor(from: { readonly size: number; readonly channels: 1 | 3 }): Extractor {
    return new Extractor(this.#network, this.#form, this.#batch, this.#output, this.#file, from);
  }

  describe(features: number): FeatureDescription {
    return {
      ...{ file: this.#file, sha256: this.#sha256, output: this.#output },
      features,
      input: this.#form,
    };
  }

  async close(): Promise<void> {
    await this.#network.session.release();
  }
}

class Extractor {
  readonly #network: OnnxNetwork;
  readonly #form: InputForm;
  readonly #output: string;
  readonly #file: string;
  readonly #input: FeatureInput;
  /** Images at a time. */
  readonly batch: number;
  readonly #each: number;

  constructor(
    network: OnnxNetwork,
    form: InputForm,
    batch: number,
    output: string,
    file: string,
    from: { readonly size: number; readonly channels: 1 | 3 },
  ) {
    this.#network = network;
    this.#form = form;
    this.batch = batch;
    this.#output = output;
    this.#file = file;
    this.#input = new FeatureInput(from, form);
    this.#each = from.size ** 2 * from.channels;
  }

  /** f32 [images, features] for at most `batch` u8 images; a smaller batch is filled up with its last image. */
  async extract(pixels: Uint8Array): Promise<Float32Array> {
    const count = pixels.length / this.#each;
    const { size, channels, layout } = this.#form;
    const batch = new Float32Array(this.batch * size ** 2 * channels);
    for (let slot = 0; slot < this.batch; slot++) {
      const image = Math.min(slot, count - 1);
      this.#input.put(pixels.subarray(image * this.#each, (image + 1) * this.#each), batch, slot);
    }
    const [first, last] = layout === 'nchw' ? [[channels], []] : [[], [channels]];
    const shape = [this.batch, ...first, size, size, ...last];
    return featuresOf(await this.#run(batch, shape), count, this.batch, this.#file);
  }

  async #run(batch: Float32Array, shape: readonly number[]): Promise<OnnxTensor> {
    const { session, tensor } = this.#network;
    try {
      const outputs = await session.run({ [session.inputNames[0]!]: tensor(batch, shape) }, [
        this.#output,
      ]);
      return outputs[this.#output]!;
    } catch (error) {
      throw new UsageError(
        `--features ${this.#file}: the network does not accept ${this.#form.layout} images [${shape.join(', ')}]: ${firstLine(error)}`,
      );
    }
  }
}

/** [batch, features], or feature maps, which are averaged. @throws UsageError for another shape; RunError for NaN */
function featuresOf(
  { data, dims }: OnnxTensor,
  count: number,
  batch: number,
  file: string,
): Float32Array {
  const [images, features = 0, ...map] = dims;
  const known = dims.length === 2 || dims.length === 4;
  if (!(data instanceof Float32Array) || !known || images !== batch || features < 1)
    throw new UsageError(
      `--features ${file}: expected an output of f32 [images, features] or [images, features, height, width], got [${dims.join(', ')}] for ${batch} images; --feature-output chooses another output`,
    );
  if (features > MOST_FEATURES)
    throw new UsageError(
      `--features ${file}: expected at most ${MOST_FEATURES} features, got ${features}`,
    );
  const pixels = map.reduce((a, b) => a * b, 1);
  const out = new Float32Array(count * features);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let p = 0; p < pixels; p++) sum += data[i * pixels + p]!;
    out[i] = sum / pixels;
    if (!Number.isFinite(out[i]!)) throw new RunError(`${file}: a feature became ${sum}`);
  }
  return out;
}

function formOf(config: FeatureConfig, value: OnnxValue | undefined) {
  const shape = value?.shape;
  const refuse = (expected: string, got: string) =>
    new UsageError(`--features ${config.file}: expected ${expected}, got ${got}`);
  if (shape && (shape.length !== 4 || value.type !== 'float32'))
    throw refuse('an input of f32 images', `${value.type} [${shape.join(', ')}]`);
  const layout = config.layout ?? layoutOf(shape);
  const [channels, height, width] = (layout === 'nchw' ? [1, 2, 3] : [3, 1, 2]).map((axis) =>
    fixed(shape?.[axis]),
  );
  if (height !== width && height !== undefined && width !== undefined)
    throw refuse('an input of square images', `[${shape!.join(', ')}]`);
  const own = height ?? width;
  if (own !== undefined && config.size !== null && own !== config.size)
    throw new UsageError(
      `--feature-size: ${config.file} expects images of ${own}x${own}, got ${config.size}`,
    );
  if (channels !== undefined && channels !== 1 && channels !== 3)
    throw refuse(
      'an input of 1 or 3 channels',
      `[${shape!.join(', ')}]; --feature-layout gives their position`,
    );
  if (channels === 1)
    for (const [flag, values] of [
      ['--feature-mean', config.mean],
      ['--feature-std', config.deviation],
    ] as const)
      if (new Set(values).size > 1)
        throw new UsageError(
          `${flag}: ${config.file} expects grey images; expected three equal numbers, got ${values.join(',')}`,
        );
  const form: InputForm = {
    size: own ?? config.size ?? USUAL_SIZE,
    channels: channels === 1 ? 1 : 3,
    layout,
    range: config.range,
    mean: config.mean,
    deviation: config.deviation,
    filter: config.filter,
  };
  return { form, batch: fixed(shape?.[0]) ?? USUAL_BATCH };
}

/** Channels first, unless the shape in the file has them last. */
function layoutOf(shape: OnnxValue['shape']): InputForm['layout'] {
  const few = (axis: number) => [1, 3].includes(fixed(shape?.[axis]) ?? 0);
  return few(3) && !few(1) ? 'nhwc' : 'nchw';
}

const fixed = (size: number | string | undefined): number | undefined =>
  typeof size === 'number' && size > 0 ? size : undefined;

function outputOf({ file, output }: FeatureConfig, names: readonly string[]): string {
  if (output !== null) {
    if (names.includes(output)) return output;
    throw new UsageError(`--feature-output: ${file} has ${list(names)}, got ${output}`);
  }
  if (names.length === 1) return names[0]!;
  throw new UsageError(`--feature-output: ${file} has ${list(names)}; name one`);
}

/** Number of names that a message lists. */
const LISTED = 8;

const list = (names: readonly string[]): string =>
  `${names.slice(0, LISTED).join(', ')}${names.length > LISTED ? ', …' : ''}` || 'none';
