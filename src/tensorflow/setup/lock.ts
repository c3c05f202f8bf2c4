/** One set-up at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from '../../io/lock.js';

/** Runs `body` while holding the lock named after `folder`; `onWait` is called once if another process has it. */
export async function withLock<T>(
  folder: string,
  onWait: () => void,
  body: () => Promise<T>,
): Promise<T> {
  let lock = await tryLock(folder);
  if (!lock) onWait();
  while (!lock) {
    await sleep(300);
    lock = await tryLock(folder);
  }
  try {
    return await body();
  } finally {
    await lock.release();
  }
}
