/** The forward process as tables, for programs. */
import { readDiffusion, readObjective } from '../config/diffusion.js';
import { JsonObject } from '../config/json.js';
import {
  makeSchedule as make,
  type Schedule,
  type ScheduleOptions,
} from '../diffusion/schedule.js';
import { settingsOf } from './settings-of.js';
import { asProgramNow } from './spelling.js';

/**
 * Computes the tables in f64, then rounds them to f32.
 * @example `makeSchedule({ schedule: 'linear', timesteps: 300, betaStart: 1e-4, betaEnd: 0.02 }).alphaBar`
 * @throws UsageError for invalid timesteps or betas.
 */
export const makeSchedule = (options: ScheduleOptions): Schedule =>
  asProgramNow('makeSchedule', () => {
    const given = settingsOf('makeSchedule', options);
    const source = new JsonObject('makeSchedule', given, 'all');
    return make({ ...given, ...readDiffusion(source), ...readObjective(source) });
  });
