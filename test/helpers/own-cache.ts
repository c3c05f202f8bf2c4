import { mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheFolder } from '../../src/io/cache-folder.js';
import { PATIENTLY } from '../../src/io/rename.js';

/** What set-ups put into the cache, which tests use and do not change. */
const SET_UP = /^(tensorflow|tfjs-|wheels)/;

/** Gives the tests of a file a cache of their own, in which TensorFlow is set up if it is in the user's; returns its folder. */
export function ownCache(): string {
  const users = cacheFolder();
  const folder = mkdtempSync(join(tmpdir(), 'haze-test-'));
  for (const name of names(users))
    if (SET_UP.test(name)) symlinkSync(join(users, name), join(folder, name));
  process.env.HAZE_CACHE = folder;
  test.after.always(() => rm(folder, { ...PATIENTLY, force: true }));
  return folder;
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
