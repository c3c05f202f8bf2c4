/** The forward process as tables, for programs. */
import { DIFFUSION_DEFAULTS, readDiffusion, readObjective } from '../config/diffusion.js';
import { JsonObject } from '../config/json.js';
import {
  makeSchedule as make,
  type Schedule,
  type ScheduleOptions,
} from '../diffusion/schedule.js';
import { settingsOf } from './settings-of.js';
import { asProgramNow } from './spelling.js';

/**
 * Computes the tables in f64, then rounds them to f32. Settings that are not given are those of `haze train`: `linear` from 0.0001 to 0.02
 * over 300 timesteps.
 * @example `makeSchedule({ schedule: 'linear', timesteps: 300, betaStart: 1e-4, betaEnd: 0.02 }).alphaBar`
 * @throws UsageError for invalid timesteps or betas.
 */
export const makeSchedule = (options: Partial<ScheduleOptions>): Schedule =>
  asProgramNow('makeSchedule', () => {
    const given = settingsOf('makeSchedule', options);
    const source = new JsonObject('makeSchedule', given, 'all');
    return make({ ...DIFFUSION_DEFAULTS, ...readDiffusion(source), ...readObjective(source) });
  });
