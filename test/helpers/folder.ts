import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { PATIENTLY } from '../../src/io/rename.js';

/**
 * A folder of the test's own, removed when the test ends. Files that a dying process still puts there make rm fail with
 * ENOTEMPTY, so it tries again.
 */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'haze-test-'));
  t.teardown(() => rm(dir, { ...PATIENTLY, force: true }));
  return dir;
}
