import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { makeSchedule, type Schedule } from '../diffusion/schedule.js';
import { Comparison, type Group } from './compare.js';
import type { Fixture } from './fixture.js';
import { scheduleTolerance } from './tolerances.js';

/** The reference's tables, by their names in a fixture. */
const TABLES = {
  betas: (s) => s.betas,
  alphas: (s) => s.alphas,
  abar: (s) => s.alphaBar,
  prev: (s) => s.alphaBarPrev,
  sqrt_recip_alphas: (s) => s.sqrtRecipAlphas,
  sqrt_abar: (s) => s.sqrtAlphaBar,
  sqrt_1m_abar: (s) => s.sqrtOneMinusAlphaBar,
  post_var: (s) => s.posteriorVariance,
} satisfies Record<string, (s: Schedule) => Float32Array>;

export const TABLE_NAMES: readonly string[] = Object.keys(TABLES);

/** Compares the linear schedule's tables with those of a fixture, whose length is T. */
export function compareSchedule(fixture: Fixture): Group[] {
  const groups: Group[] = [];
  for (const [name, table] of Object.entries(TABLES)) {
    if (!fixture.has(name)) continue;
    const { data, shape } = fixture.f32(name, 1);
    const schedule = makeSchedule({ ...DIFFUSION_DEFAULTS, timesteps: data.length });
    const comparison = new Comparison(name);
    comparison.add(name, shape, table(schedule), data, scheduleTolerance(data));
    const group = comparison.result();
    if (group) groups.push(group);
  }
  return groups;
}
