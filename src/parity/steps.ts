import { buildNetwork, type NetworkConfig } from '../network/network.js';
import { parameters } from '../network/parameters.js';
import { elements, type StateDict, type Tensor } from '../network/state.js';

import { Comparison, type Group, type Tolerance } from './compare.js';
import { addTensor, type Fixture } from './fixture.js';
import type { Settled } from './gradients.js';
import type { Pass } from './pass.js';
import {
  EXACT,
  firstStepTolerance,
  LEARNING_RATE,
  lossTolerance,
  statisticsTolerance,
} from './tolerances.js';

/** Steps of Adam: the state after the first, and the loss of each. */
export async function compareSteps(
  { fixture, unet, net }: Pass,
  { input, noise }: Settled,
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
    else add(parameters, (e) => firstStepTolerance(e.data, gradients.get(name)!.data));
  }
  return [parameters.result(), statistics.result(), counts.result()];
}

/** Adam's moments before the first step. */
function zeros(net: NetworkConfig): StateDict {
  return new Map(
    parameters(buildNetwork(net)).map(({ name, shape }) => [
      name,
      { dtype: 'F32', shape, data: new Float32Array(elements(shape)) },
    ]),
  );
}
