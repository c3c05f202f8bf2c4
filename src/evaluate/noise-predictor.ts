import { noiseFrom, type Objective } from '../diffusion/objective.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { LikelihoodOptions } from './likelihood.js';

type Predict = LikelihoodOptions['predict'];

/** ε̂ from the output of a network with this objective, each image at its own timestep. Overwrites the network's array. */
export function noisePredictor(
  { exact }: Pick<Schedule, 'exact'>,
  objective: Exclude<Objective, 'flow'>,
  network: Predict,
): Predict {
  if (objective === 'epsilon') return network;
  return async (xt, t, images) => {
    const output = await network(xt, t, images);
    const each = output.length / t.length;
    t.forEach((at, image) => {
      const signal = { alpha: exact.sqrtAlphaBar[at]!, sigma: exact.sqrtOneMinusAlphaBar[at]! };
      const mix = noiseFrom(objective, signal);
      for (let i = image * each; i < (image + 1) * each; i++)
        output[i] = mix.x * xt[i]! + mix.output * output[i]!;
    });
    return output;
  };
}
