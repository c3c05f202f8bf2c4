import { UsageError } from '../errors.js';
import { type Architecture, layers, weightShape } from '../unet/architecture.js';
import type { UnetDevice, UnetInput } from '../unet/device.js';
import { elements, type StateDict, type Tensor } from '../unet/state.js';
import { Comparison, type Group, type Tolerance } from './compare.js';
import type { Fixture } from './fixture.js';
import {
  architecture,
  channelsFirst,
  channelsLast,
  type Images,
  imagesOf,
  TIMESTEPS,
  timesteps,
} from './images.js';
import type { Subject } from './subject.js';
import { settleTies } from './ties.js';
import {
  constant,
  EVALUATION,
  EXACT,
  firstStepTolerance,
  gradientTolerance,
  LEARNING_RATE,
  lossTolerance,
  statisticsTolerance,
  TRAINING,
} from './tolerances.js';

/** A U-Net on its device with the fixture's one batch. */
interface Pass {
  readonly fixture: Fixture;
  readonly images: Images;
  readonly net: Architecture;
  readonly unet: UnetDevice;
  readonly input: UnetInput;
}

/** Evaluation, gradients and steps of Adam, each from state0. */
export async function comparePasses(fixture: Fixture, subject: Subject): Promise<(Group | null)[]> {
  const images = imagesOf(fixture, 'xt');
  const { batch, size } = images;
  const net = architecture(fixture, images);
  const input = { xt: channelsLast(fixture, 'xt', images), t: timesteps(fixture, images) };
  const shape = { architecture: net, size, batch, timesteps: TIMESTEPS, training: true };
  const unet = await subject.unet(shape);
  const pass = { fixture, images, net, unet, input };
  const trains = ['eps_train', 'losses'].some((name) => fixture.has(name));
  try {
    const groups = [fixture.has('eps_eval') ? await compareEvaluation(pass) : null];
    if (!trains && fixture.below('grad').size === 0 && fixture.below('state1').size === 0)
      return groups;
    const noise = channelsLast(fixture, 'noise', images);
    const [settled, training] = await compareTraining(pass, noise);
    return [
      ...groups,
      training,
      await compareGradients(pass, settled),
      ...(await compareSteps(pass, settled)),
    ];
  } finally {
    await unet.dispose();
  }
}

async function compareEvaluation({ fixture, unet, input, images }: Pass): Promise<Group | null> {
  await unet.importState(fixture.below('state0'));
  const epsilon = channelsFirst(await unet.predict(input, 'running'), images);
  return compareEpsilon('eps_eval', fixture, epsilon, images, EVALUATION);
}

/** ε̂ in training, and the noise whose residuals have the reference's signs. */
async function compareTraining(
  { fixture, unet, input, images }: Pass,
  noise: Float32Array,
): Promise<[noise: Float32Array, group: Group | null]> {
  if (!fixture.has('eps_train')) return [noise, null];
  await unet.importState(fixture.below('state0'));
  const { epsilon } = await unet.gradients(input, noise);
  const expected = channelsLast(fixture, 'eps_train', images);
  return [
    settleTies(noise, epsilon, expected, TRAINING),
    compareEpsilon('eps_train', fixture, channelsFirst(epsilon, images), images, TRAINING),
  ];
}

function compareEpsilon(
  name: string,
  fixture: Fixture,
  got: Float32Array,
  { shape }: Images,
  tolerance: number,
): Group | null {
  const comparison = new Comparison(name);
  comparison.add(name, shape, got, fixture.shaped(name, shape).data, constant(tolerance));
  return comparison.result();
}

async function compareGradients(
  { fixture, unet, input }: Pass,
  noise: Float32Array,
): Promise<Group | null> {
  const expected = fixture.below('grad');
  if (expected.size === 0) return null;
  await unet.importState(fixture.below('state0'));
  const { gradients } = await unet.gradients(input, noise);
  const comparison = new Comparison('grad/*');
  for (const [name, tensor] of expected)
    addTensor(comparison, fixture, `grad/${name}`, gradients.get(name), tensor, (e) =>
      constant(gradientTolerance(e.data)),
    );
  return comparison.result();
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

/** Steps of Adam: the state after the first, and the loss of each. */
async function compareSteps(
  { fixture, unet, input, net }: Pass,
  noise: Float32Array,
): Promise<(Group | null)[]> {
  const expected = fixture.has('losses') ? fixture.f32('losses', 1) : undefined;
  const after = fixture.below('state1');
  if (!expected && after.size === 0) return [];
  await unet.importState(fixture.below('state0'));
  await unet.importOptimizer({ step: 0, m: zeros(net), v: zeros(net) });
  const losses = [await unet.trainStep(input, noise, LEARNING_RATE)];
  const states = after.size > 0 ? compareState(fixture, after, await unet.exportState()) : [];
  if (!expected) return states;
  while (losses.length < expected.data.length)
    losses.push(await unet.trainStep(input, noise, LEARNING_RATE));
  const comparison = new Comparison('losses');
  const got = losses.slice(0, expected.data.length);
  comparison.add('losses', expected.shape, got, expected.data, lossTolerance);
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
