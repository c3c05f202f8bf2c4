/** Makes sure that one process at a time trains a run. */
import { UsageError } from '../errors.js';
import { exclusively, holding, type LockTarget, tryLock, unseen } from './lock.js';

/**
 * Call it once the run's folder exists: takes the lock in it, where other containers see it. Resolves to a warning
 * if that is not possible.
 * @throws UsageError naming the process that holds it
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

/** Trains into a folder, which need not exist yet, as the only process. @throws UsageError naming another that does */
export function asOnlyTrainer<T>(out: string, train: (hold: Hold) => Promise<T>): Promise<T> {
  return exclusively(target(out), refusal(out), (hold) =>
    train(async () => unseen(out, await hold())),
  );
}

/** The lock of a run's folder, or undefined while another process holds it. */
export async function tryLockRun(out: string): Promise<RunLock | undefined> {
  const lock = await tryLock(target(out));
  return (
    lock && {
      hold: async () => unseen(out, await holding(lock, target(out), refusal(out))),
      release: () => lock.release(),
    }
  );
}
