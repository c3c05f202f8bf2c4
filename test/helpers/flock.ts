import { spawnSync } from 'node:child_process';
import { needing } from './needing.js';

export const withoutFlock: string | undefined = spawnSync('flock', ['--help']).error
  ? 'there is no flock'
  : undefined;

/** A test that needs the command `flock`, as Linux has it. */
export const flockTest = needing(withoutFlock);
