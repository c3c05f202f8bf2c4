import { isDeepStrictEqual } from 'node:util';
import type { NetworkDevice, NetworkInput, Optimizer } from '../contracts/device.js';
import { UsageError } from '../errors.js';
import { isObject, parseJson } from '../io/json.js';
import { CLASS_NAMES, type DiffusersConfig, fromDiffusers } from '../network/diffusers-config.js';
import { checkNetwork, checkSize } from '../network/network.js';
import { ANCHORS, networkFromShapes } from '../network/recognise.js';
import { Comparison, type Group } from './compare.js';
import { addTensor, type Fixture } from './fixture.js';
import { channelsFirst, channelsLast, type Images, imagesOf } from './images.js';
import type { Subject } from './subject.js';
import {
  constant,
  LEARNING_RATE,
  SMOOTH,
  smoothFirstStepTolerance,
  smoothGradientTolerance,
} from './tolerances.js';

/*
 * Fixtures of diffusers' networks: from x, t, label and target to out, the mean squared error, its gradients, the state after a
 * step of AdamW, and the losses of steps with clipped gradients. The header has the model's config.json. These networks have
 * no kinks, so nothing has to be settled (gradients.ts).
 */

/** The optimizer of the fixtures: for `state1`, and, with clipping, for `losses`. */
const ADAMW: Optimizer = { beta1: 0.95, beta2: 0.999, epsilon: 1e-8, decay: 1e-2, clip: null };
const CLIPPED: Optimizer = { ...ADAMW, clip: 1 };

/** Timesteps are below this, and so are labels that are embedded like them. */
const TIMESTEPS = 1000;

/** Whether a fixture is of this kind: by its config, or by its weights, of which nothing can be told without it. */
export const isDiffusersNetwork = (fixture: Fixture): boolean =>
  fixture.metadata.config !== undefined ||
  [ANCHORS.unet2d, ANCHORS.dit].some((anchor) => fixture.has(`state0/${anchor}`));

/** A fixture's inputs, and their network. */
interface Case {
  readonly fixture: Fixture;
  readonly architecture: DiffusersConfig;
  readonly images: Images;
  readonly input: NetworkInput;
  /** The target of the output. */
  readonly target: Float32Array;
}

/** @throws UsageError for a fixture whose parts do not match */
export async function compareDiffusersNetwork(
  fixture: Fixture,
  subject: Subject,
): Promise<(Group | null)[]> {
  const one = readCase(fixture);
  const groups = await withDevice(one, subject, ADAMW, async (device) => [
    fixture.has('out') ? await compareOutput(one, device) : null,
    ...(await compareGradients(one, device)),
    fixture.below('state1').size > 0 ? await compareState(one, device) : null,
  ]);
  if (!fixture.has('losses')) return groups;
  return [
    ...groups,
    await withDevice(one, subject, CLIPPED, (device) => compareLosses(one, device)),
  ];
}

async function withDevice<T>(
  { fixture, architecture, images }: Case,
  subject: Subject,
  optimizer: Optimizer,
  use: (device: NetworkDevice) => Promise<T>,
): Promise<T> {
  const { size, batch } = images;
  const options = {
    architecture,
    size,
    batch,
    timesteps: TIMESTEPS,
    loss: 'l2',
    optimizer,
  } as const;
  const device = await subject.unet(options);
  try {
    await device.importState(fixture.below('state0'));
    return await use(device);
  } finally {
    await device.dispose();
  }
}

async function compareOutput(one: Case, device: NetworkDevice): Promise<Group | null> {
  const got = channelsFirst(await device.predict(one.input, 'running'), one.images);
  const { shape } = one.images;
  const comparison = new Comparison('out');
  comparison.add('out', shape, got, one.fixture.shaped('out', shape).data, constant(SMOOTH));
  return comparison.result();
}

async function compareGradients(
  { fixture, input, target }: Case,
  device: NetworkDevice,
): Promise<(Group | null)[]> {
  const expected = fixture.below('grad');
  if (!fixture.has('loss') && expected.size === 0) return [];
  const { loss, gradients } = await device.gradients(input, target);
  const losses = new Comparison('loss');
  if (fixture.has('loss'))
    losses.add('loss', [], [loss], fixture.f32('loss', 0).data, constant(SMOOTH));
  const comparison = new Comparison('grad/*');
  for (const [name, tensor] of expected)
    addTensor(comparison, fixture, `grad/${name}`, gradients.get(name), tensor, ({ data }) =>
      constant(smoothGradientTolerance(data)),
    );
  return [losses.result(), comparison.result()];
}

async function compareState(
  { fixture, input, target }: Case,
  device: NetworkDevice,
): Promise<Group | null> {
  await device.importState(fixture.below('state0'));
  await device.trainStep(input, target, LEARNING_RATE);
  const got = await device.exportState();
  const gradients = fixture.below('grad');
  const comparison = new Comparison('state1/*');
  for (const [name, tensor] of fixture.below('state1'))
    addTensor(comparison, fixture, `state1/${name}`, got.get(name), tensor, ({ data }) =>
      smoothFirstStepTolerance(data, gradients.get(name)!.data),
    );
  return comparison.result();
}

async function compareLosses(
  { fixture, input, target }: Case,
  device: NetworkDevice,
): Promise<Group | null> {
  const { data, shape } = fixture.f32('losses', 1);
  const got: number[] = [];
  while (got.length < data.length) got.push(await device.trainStep(input, target, LEARNING_RATE));
  const comparison = new Comparison('losses');
  comparison.add('losses', shape, got, data, constant(SMOOTH));
  return comparison.result();
}

function readCase(fixture: Fixture): Case {
  const images = imagesOf(fixture, 'x');
  const architecture = readNetwork(fixture, images);
  const t = whole(fixture, 't', TIMESTEPS, images);
  const { numClasses: classes } = architecture;
  const below = classes === 'timestep' ? TIMESTEPS : classes;
  return {
    ...{ fixture, architecture, images },
    input: {
      xt: channelsLast(fixture, 'x', images),
      t,
      ...(below !== null && { labels: whole(fixture, 'label', below, images) }),
    },
    target: channelsLast(fixture, 'target', images),
  };
}

function whole(fixture: Fixture, name: string, below: number, { batch }: Images): Int32Array {
  const values = fixture.timesteps(name, below);
  if (values.length === batch) return values;
  throw new UsageError(`${fixture.path}: ${name}: expected ${batch} numbers, got ${values.length}`);
}

/** The network in the header's config, which must match the weights. */
function readNetwork(fixture: Fixture, { channels, size }: Images): DiffusersConfig {
  const where = `${fixture.path}: __metadata__: config`;
  const text = fixture.metadata.config;
  if (text === undefined)
    throw new UsageError(`${where}: expected the config.json of a ${CLASS_NAMES}, got none`);
  const { config } = fromDiffusers(where, parse(where, text));
  const state = [...fixture.below('state0')].map(([name, { shape }]) => [name, shape] as const);
  try {
    checkNetwork(config);
    checkSize(config, size);
    const found = networkFromShapes(new Map(state), config);
    for (const [name, value] of Object.entries(found))
      if (!isDeepStrictEqual(value, config[name as keyof DiffusersConfig]))
        throw new UsageError(
          `expected ${name} ${config[name as keyof DiffusersConfig]} from the config, got ${value}`,
        );
  } catch (error) {
    if (error instanceof UsageError)
      throw new UsageError(`${fixture.path}: state0: ${error.message}`);
    throw error;
  }
  if (config.channels !== channels)
    throw new UsageError(
      `${fixture.path}: expected images of ${config.channels} channels, got ${channels}`,
    );
  return config;
}

function parse(where: string, text: string): Record<string, unknown> {
  try {
    const value = parseJson(text, { depth: 8, names: 1000 });
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(`${where}: expected a JSON object, got none: ${error.message}`);
  }
  throw new UsageError(`${where}: expected a JSON object, got another JSON value`);
}
