import type { NetworkInput } from '../contracts/device.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { StateDict } from '../network/state.js';
import { Comparison, type Group } from './compare.js';
import { addTensor, type Fixture } from './fixture.js';
import { channelsFirst, channelsLast } from './images.js';
import { compareEpsilon, type Pass } from './pass.js';
import { constant, gradientTolerance, TRAINING } from './tolerances.js';

/*
 * The loss has kinks: |ε − ε̂| where a residual is zero, and every ReLU where its input is. If a value is
 * within rounding of its kink, two correct passes may take different sides and differ by a whole term of the
 * gradient. So the sides are settled as in the reference before gradients and steps are compared.
 */

/** The inputs for which Haze takes the reference's sides. */
export interface Settled {
  readonly input: NetworkInput;
  readonly noise: Float32Array;
}

/** Relative perturbations of x_t to try while the gradients differ: about the rounding error of a pass. */
const NUDGES = [0, 1e-6, 1e-6, 1e-6, 1e-6, 4e-6, 4e-6, 4e-6, 4e-6];

/** Compares ε̂ in training and every gradient; also returns the inputs for the following steps. */
export async function compareGradients(
  pass: Pass,
): Promise<{ settled: Settled; groups: (Group | null)[] }> {
  const { fixture, unet, input, images } = pass;
  const noise = channelsLast(fixture, 'noise', images);
  await unet.importState(fixture.below('state0'));
  const { epsilon } = await unet.gradients(input, noise);
  const training = fixture.has('eps_train')
    ? compareEpsilon('eps_train', pass, channelsFirst(epsilon, images), TRAINING)
    : null;
  let best: { settled: Settled; group: Group | null } | undefined;
  for (const [attempt, size] of NUDGES.entries()) {
    const found = await gradientsAt(pass, { input: nudge(input, size, attempt), noise });
    if (!best || use(found.group) < use(best.group)) best = found;
    if (best.group?.holds ?? true) break;
  }
  return { settled: best!.settled, groups: [training, best!.group] };
}

/** The share of its tolerance that a group uses. */
const use = (group: Group | null): number =>
  group ? group.worst.error / group.worst.tolerance : 0;

/** Gradients at inputs whose residuals have been put on the reference's side of zero. */
async function gradientsAt(
  { fixture, unet, images }: Pass,
  { input, noise }: Settled,
): Promise<{ settled: Settled; group: Group | null }> {
  const first = await unet.gradients(input, noise);
  if (!fixture.has('eps_train'))
    return { settled: { input, noise }, group: against(fixture, first.gradients) };
  const expected = channelsLast(fixture, 'eps_train', images);
  const settled = { input, noise: settleResiduals(noise, first.epsilon, expected, TRAINING) };
  const { gradients } = await unet.gradients(input, settled.noise);
  return { settled, group: against(fixture, gradients) };
}

function against(fixture: Fixture, gradients: StateDict): Group | null {
  const comparison = new Comparison('grad/*');
  for (const [name, tensor] of fixture.below('grad'))
    addTensor(comparison, fixture, `grad/${name}`, gradients.get(name), tensor, (e) =>
      constant(gradientTolerance(e.data)),
    );
  return comparison.result();
}

/** x_t perturbed at random by up to `size` of each value, hopefully to the other side of a ReLU's kink. */
function nudge({ xt, t }: NetworkInput, size: number, attempt: number): NetworkInput {
  if (size === 0) return { xt, t };
  const moves = new CounterRandom(0).uniform(PURPOSE.bench, attempt, xt.length, -size, size);
  return { xt: xt.map((value, i) => value * (1 + moves[i]!)), t };
}

/**
 * Noise that puts each residual ε − ε̂ on the reference's side of zero: an element whose predictions
 * agree within `tolerance`, but whose residuals differ in sign, gets the reference's residual.
 */
export function settleResiduals(
  noise: Float32Array,
  ours: Float32Array,
  theirs: Float32Array,
  tolerance: number,
): Float32Array {
  return noise.map((value, i) => {
    const residual = value - theirs[i]!;
    const agree = Math.sign(residual) === Math.sign(value - ours[i]!);
    const close = Math.abs(ours[i]! - theirs[i]!) <= tolerance;
    return agree || !close ? value : ours[i]! + residual;
  });
}
