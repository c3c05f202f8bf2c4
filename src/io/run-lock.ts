/** One process at a time trains into a run's folder. */
import { UsageError } from '../errors.js';
import { exclusively, type Lock, type LockTarget, tryLock } from './lock.js';

const target = (out: string): LockTarget => ({ path: out, use: 'run' });

/** Trains into a folder, which need not exist yet, as the only process. @throws UsageError naming the process that does */
export function asOnlyTrainer<T>(out: string, train: () => Promise<T>): Promise<T> {
  const refuse = (holder: string) =>
    new UsageError(
      `--out ${out}: expected a run that nobody is training, got one that ${holder} is training`,
    );
  return exclusively(target(out), refuse, train);
}

/** The lock of a run's folder, or undefined while another has it. */
export const tryLockRun = (out: string): Promise<Lock | undefined> => tryLock(target(out));
