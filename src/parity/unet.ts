import { UsageError } from '../errors.js';
import type { Architecture } from '../unet/architecture.js';
import { checkSize, layers, weightShape } from '../unet/architecture.js';
import type { UnetDevice, UnetInput } from '../unet/device.js';
import { architectureFromShapes } from '../unet/from-state.js';
import { elements, type StateDict, type Tensor } from '../unet/state.js';
import { Comparison, type Group, type Tolerance } from './compare.js';
import { type Fixture, toChannelsFirst, toChannelsLast } from './fixture.js';
import {
  constant,
  EVALUATION,
  EXACT,
  firstStepTolerance,
  gradientTolerance,
  LOSS,
  noisingTolerance,
  statisticsTolerance,
  TRAINING,
  TRAJECTORY,
} from './tolerances.js';

/** T of the fixtures, and the step size of their Adam. */
const TIMESTEPS = 300;
const LEARNING_RATE = 1e-3;

/** What is compared: a U-Net of some shape, and the arithmetic around it. Images are [batch, height, width, channel]. */
export interface Subject {
  unet(shape: UnetShape): Promise<UnetDevice>;
  /** q(x_t|x_0) with a timestep an image. */
  qSample(x0: Float32Array, t: Int32Array, noise: Float32Array): Promise<Float32Array>;
  /** The ancestral step from x_t by ε̂ and the noise z, all images at t. */
  pSample(
    x: Float32Array,
    epsilon: Float32Array,
    t: number,
    z: Float32Array,
  ): Promise<Float32Array>;
}

export interface UnetShape {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly training: boolean;
}

/** Compares every group of the U-Net's values that a fixture has; none if it has no such group. */
export async function compareUnet(fixture: Fixture, subject: Subject): Promise<Group[]> {
  const groups: (Group | null)[] = [];
  if (fixture.has('xt') && fixture.has('x0')) groups.push(await compareNoising(fixture, subject));
  if (['eps_eval', 'eps_train', 'losses'].some((name) => fixture.has(name)) || hasSteps(fixture))
    groups.push(...(await comparePasses(fixture, subject)));
  if (fixture.has('sample/trajectory')) groups.push(await compareTrajectory(fixture, subject));
  return groups.filter((group) => group !== null);
}

const hasSteps = (fixture: Fixture): boolean =>
  fixture.below('grad').size > 0 || fixture.below('state1').size > 0;

/** Shape of the images of a fixture's tensor [batch, channel, side, side]. */
interface Images {
  readonly shape: readonly number[];
  readonly batch: number;
  readonly channels: number;
  readonly size: number;
}

function imagesOf(fixture: Fixture, name: string): Images {
  const { shape } = fixture.f32(name, 4);
  const [batch, channels, size, width] = shape as [number, number, number, number];
  if (batch < 1 || size !== width)
    throw new UsageError(
      `${fixture.path}: ${name}: expected square images, got [${shape.join(', ')}]`,
    );
  return { shape, batch, channels, size };
}

async function compareNoising(fixture: Fixture, subject: Subject): Promise<Group | null> {
  const images = imagesOf(fixture, 'x0');
  const xt = await qSample(fixture, subject, images);
  const expected = fixture.shaped('xt', images.shape).data;
  const comparison = new Comparison('xt');
  comparison.add('xt', images.shape, xt, expected, noisingTolerance(expected));
  return comparison.result();
}

/** x_t as the subject makes it, [batch, channel, height, width]. */
async function qSample(fixture: Fixture, subject: Subject, images: Images): Promise<Float32Array> {
  const x0 = channelsLast(fixture, 'x0', images);
  const t = timesteps(fixture, images);
  return channelsFirst(
    await subject.qSample(x0, t, channelsLast(fixture, 'noise', images)),
    images,
  );
}

function timesteps(fixture: Fixture, { batch }: Images): Int32Array {
  const t = fixture.timesteps('t', TIMESTEPS);
  if (t.length !== batch)
    throw new UsageError(`${fixture.path}: t: expected ${batch} timesteps, got ${t.length}`);
  return t;
}

const channelsLast = (fixture: Fixture, name: string, { shape, channels, size }: Images) =>
  toChannelsLast(fixture.shaped(name, shape).data, channels, size * size);

const channelsFirst = (data: Float32Array, { channels, size }: Images) =>
  toChannelsFirst(data, channels, size * size);

/** The architecture that state0 has, checked against the images. */
function architecture(fixture: Fixture, images: Images): Architecture {
  const state = fixture.below('state0');
  let found: Architecture;
  try {
    found = architectureFromShapes(new Map([...state].map(([name, { shape }]) => [name, shape])));
    checkSize(found, images.size);
  } catch (error) {
    if (error instanceof UsageError)
      throw new UsageError(`${fixture.path}: state0: ${error.message}`);
    throw error;
  }
  if (found.channels !== images.channels)
    throw new UsageError(
      `${fixture.path}: expected images of ${found.channels} channels, got ${images.channels}`,
    );
  return found;
}

/** Evaluation, gradients and steps of Adam on the fixture's one batch. */
async function comparePasses(fixture: Fixture, subject: Subject): Promise<(Group | null)[]> {
  const images = imagesOf(fixture, 'xt');
  const { batch, size } = images;
  const net = architecture(fixture, images);
  const shape = { architecture: net, size, batch, timesteps: TIMESTEPS, training: true };
  const unet = await subject.unet(shape);
  const input = { xt: channelsLast(fixture, 'xt', images), t: timesteps(fixture, images) };
  try {
    return [
      await compareEvaluation(fixture, unet, input, images),
      ...(await compareGradients(fixture, unet, input, images)),
      ...(await compareSteps(fixture, unet, input, images, net)),
    ];
  } finally {
    await unet.dispose();
  }
}

async function compareEvaluation(
  fixture: Fixture,
  unet: UnetDevice,
  input: UnetInput,
  images: Images,
): Promise<Group | null> {
  if (!fixture.has('eps_eval')) return null;
  await unet.importState(fixture.below('state0'));
  const epsilon = channelsFirst(await unet.predict(input, 'running'), images);
  return compareImages('eps_eval', fixture, epsilon, images, EVALUATION);
}

function compareImages(
  name: string,
  fixture: Fixture,
  got: Float32Array,
  { shape }: Images,
  tolerance: Tolerance,
): Group | null {
  const comparison = new Comparison(name);
  comparison.add(name, shape, got, fixture.shaped(name, shape).data, tolerance);
  return comparison.result();
}

async function compareGradients(
  fixture: Fixture,
  unet: UnetDevice,
  input: UnetInput,
  images: Images,
): Promise<(Group | null)[]> {
  const expected = fixture.below('grad');
  if (!fixture.has('eps_train') && expected.size === 0) return [];
  await unet.importState(fixture.below('state0'));
  const got = await unet.gradients(input, channelsLast(fixture, 'noise', images));
  const comparison = new Comparison('grad/*');
  for (const [name, tensor] of expected)
    addTensor(comparison, fixture, `grad/${name}`, got.gradients.get(name), tensor, (e) =>
      constant(gradientTolerance(e.data)),
    );
  const epsilon = channelsFirst(got.epsilon, images);
  const training = fixture.has('eps_train')
    ? compareImages('eps_train', fixture, epsilon, images, TRAINING)
    : null;
  return [training, comparison.result()];
}

/** @throws UsageError for an expected tensor that the U-Net does not have, or not in this shape. */
function addTensor(
  comparison: Comparison,
  fixture: Fixture,
  name: string,
  got: Tensor | undefined,
  expected: Tensor,
  tolerance: (expected: Tensor) => Tolerance,
): void {
  if (!got) throw new UsageError(`${fixture.path}: ${name}: no such tensor in this U-Net`);
  if (got.shape.join() !== expected.shape.join())
    throw new UsageError(
      `${fixture.path}: ${name}: expected the shape [${got.shape.join(', ')}], ` +
        `got [${expected.shape.join(', ')}]`,
    );
  comparison.add(name, expected.shape, got.data, expected.data, tolerance(expected));
}

/** Steps of Adam from state0: the state after the first, and the loss of each. */
async function compareSteps(
  fixture: Fixture,
  unet: UnetDevice,
  input: UnetInput,
  images: Images,
  net: Architecture,
): Promise<(Group | null)[]> {
  const expected = fixture.has('losses') ? fixture.f32('losses', 1) : undefined;
  const after = fixture.below('state1');
  if (!expected && after.size === 0) return [];
  const noise = channelsLast(fixture, 'noise', images);
  await unet.importState(fixture.below('state0'));
  await unet.importOptimizer({ step: 0, m: zeros(net), v: zeros(net) });
  const losses = [await unet.trainStep(input, noise, LEARNING_RATE)];
  const states = after.size > 0 ? compareState(fixture, after, await unet.exportState()) : [];
  if (!expected) return states;
  while (losses.length < expected.data.length)
    losses.push(await unet.trainStep(input, noise, LEARNING_RATE));
  const comparison = new Comparison('losses');
  const got = losses.slice(0, expected.data.length);
  comparison.add('losses', expected.shape, got, expected.data, LOSS);
  return [...states, comparison.result()];
}

/** Parameters, running statistics and batch counts after one step. */
function compareState(fixture: Fixture, expected: StateDict, got: StateDict): (Group | null)[] {
  const parameters = new Comparison('state1/* parameters');
  const statistics = new Comparison('state1/* running statistics');
  const counts = new Comparison('state1/* batches tracked');
  const gradients = fixture.below('grad');
  for (const [name, tensor] of expected) {
    const add = (comparison: Comparison, tolerance: (e: Tensor) => Tolerance) =>
      addTensor(comparison, fixture, `state1/${name}`, got.get(name), tensor, tolerance);
    if (name.endsWith('.num_batches_tracked')) add(counts, () => EXACT);
    else if (/\.running_(mean|var)$/.test(name))
      add(statistics, (e) => statisticsTolerance(e.data));
    else add(parameters, (e) => firstStepTolerance(e.data, gradients.get(name)?.data));
  }
  return [parameters.result(), statistics.result(), counts.result()];
}

/** Adam's moments before the first step. */
function zeros(net: Architecture): StateDict {
  const entries = layers(net).flatMap((layer): [string, number[]][] => [
    [`${layer.name}.weight`, weightShape(layer)],
    [`${layer.name}.bias`, [layer.outputs]],
  ]);
  return new Map(
    entries.map(([name, shape]) => [
      name,
      { dtype: 'F32', shape, data: new Float32Array(elements(shape)) },
    ]),
  );
}

/** Ancestral steps at the fixture's timesteps, from its first images and with its noise. */
async function compareTrajectory(fixture: Fixture, subject: Subject): Promise<Group | null> {
  const name = 'sample/trajectory';
  const { data: expected, shape } = fixture.f32(name, 5);
  const [moments, batch, channels, size] = shape as [number, number, number, number, number];
  const ts = fixture.timesteps('sample/t', TIMESTEPS);
  if (moments !== ts.length + 1 || shape[4] !== size)
    throw new UsageError(
      `${fixture.path}: ${name}: expected ${ts.length + 1} moments of square images, got [${shape.join(', ')}]`,
    );
  const images: Images = { shape: shape.slice(1), batch, channels, size };
  const noise = fixture.shaped('sample/noise', [ts.length, ...images.shape]).data;
  const length = elements(images.shape);
  const moment = (data: Float32Array, i: number) =>
    toChannelsLast(data.slice(i * length, (i + 1) * length), channels, size * size);
  const got = new Float32Array(expected.length);
  const net = architecture(fixture, images);
  const unet = await subject.unet({
    architecture: net,
    size,
    batch,
    timesteps: TIMESTEPS,
    training: false,
  });
  try {
    await unet.importState(fixture.below('state0'));
    let x = moment(expected, 0);
    got.set(channelsFirst(x, images), 0);
    for (const [i, t] of ts.entries()) {
      const epsilon = await unet.predict({ xt: x, t: new Int32Array(batch).fill(t) }, 'running');
      x = await subject.pSample(x, epsilon, t, moment(noise, i));
      got.set(channelsFirst(x, images), (i + 1) * length);
    }
  } finally {
    await unet.dispose();
  }
  const comparison = new Comparison(name);
  comparison.add(name, shape, got, expected, TRAJECTORY);
  return comparison.result();
}
