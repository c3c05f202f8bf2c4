/** One process at a time trains into a run's folder. */
import { UsageError } from '../errors.js';
import { exclusively, holding, type LockTarget, tryLock, unseen } from './lock.js';

/**
 * To be called when the run's folder is there: holds the lock in it, where other containers see it. Resolves to a warning
 * where that cannot be.
 * @throws UsageError naming the process that has it
 */
export type Hold = () => Promise<string | null>;

/** The lock of a run's folder. */
export interface RunLock {
  readonly hold: Hold;
  readonly release: () => void;
}

const target = (out: string): LockTarget => ({ path: out, use: 'run' });

const refusal = (out: string) => (holder: string) =>
  new UsageError(
    `--out ${out}: expected a run that nobody is training, got one that ${holder} is training`,
  );

/** Trains into a folder, which need not exist yet, as the only process. @throws UsageError naming the process that does */
export function asOnlyTrainer<T>(out: string, train: (hold: Hold) => Promise<T>): Promise<T> {
  return exclusively(target(out), refusal(out), (hold) =>
    train(async () => unseen(out, await hold())),
  );
}

/** The lock of a run's folder, or undefined while another has it. */
export async function tryLockRun(out: string): Promise<RunLock | undefined> {
  const lock = await tryLock(target(out));
  return (
    lock && {
      hold: async () => unseen(out, await holding(lock, target(out), refusal(out))),
      release: () => lock.release(),
    }
  );
}
