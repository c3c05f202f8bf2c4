import type { Group } from './compare.js';
import type { Fixture } from './fixture.js';
import { compareGradients } from './gradients.js';
import {
  architecture,
  channelsFirst,
  channelsLast,
  imagesOf,
  TIMESTEPS,
  timesteps,
} from './images.js';
import { compareEpsilon, type Pass } from './pass.js';
import { compareSteps } from './steps.js';
import type { Subject } from './subject.js';
import { EVALUATION } from './tolerances.js';

/** Evaluation, gradients and steps of Adam, each from state0. */
export async function comparePasses(fixture: Fixture, subject: Subject): Promise<(Group | null)[]> {
  const images = imagesOf(fixture, 'xt');
  const { batch, size } = images;
  const net = architecture(fixture, images);
  const input = { xt: channelsLast(fixture, 'xt', images), t: timesteps(fixture, images) };
  const shape = { architecture: net, size, batch, timesteps: TIMESTEPS, training: true };
  const unet = await subject.unet(shape);
  const pass = { fixture, images, net, unet, input };
  try {
    const groups = [fixture.has('eps_eval') ? await compareEvaluation(pass) : null];
    if (!trains(fixture)) return groups;
    const { settled, groups: training } = await compareGradients(pass);
    return [...groups, ...training, ...(await compareSteps(pass, settled))];
  } finally {
    await unet.dispose();
  }
}

/** Whether a fixture has anything of a U-Net's passes to compare. */
export const hasPasses = (fixture: Fixture): boolean => fixture.has('eps_eval') || trains(fixture);

/** Whether it has anything of training, which depends on the loss. */
export const trains = (fixture: Fixture): boolean =>
  ['eps_train', 'losses'].some((name) => fixture.has(name)) ||
  ['grad', 'state1'].some((prefix) => fixture.below(prefix).size > 0);

async function compareEvaluation(pass: Pass): Promise<Group | null> {
  const { fixture, unet, input, images } = pass;
  await unet.importState(fixture.below('state0'));
  const epsilon = channelsFirst(await unet.predict(input, 'running'), images);
  return compareEpsilon('eps_eval', pass, epsilon, EVALUATION);
}
