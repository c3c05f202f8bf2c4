import test from 'ava';
import { moveOver } from '../../src/io/rename.js';

const failure = (code: string) =>
  Object.assign(new Error(`${code}: rename`), { code, syscall: 'rename' });

/** A system whose renames fail in turn, and then succeed; what was tried, and waited for. */
function failing(platform: NodeJS.Platform, codes: string[]) {
  const done = { tries: 0, waited: 0 };
  const system = {
    platform,
    rename: async () => {
      const code = codes[done.tries++];
      if (code) throw failure(code);
    },
    wait: async (milliseconds: number) => {
      done.waited += milliseconds;
    },
  };
  return { system, done };
}

test('on Windows a rename waits until other programs close the file', async (t) => {
  for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
    const { system, done } = failing('win32', [code, code, code]);
    await moveOver('a', 'b', system);
    t.deepEqual(done, { tries: 4, waited: 80 }, code);
  }
});

test('a file that stays locked is an error after three seconds', async (t) => {
  const { system, done } = failing('win32', Array(20).fill('EPERM'));
  await t.throwsAsync(moveOver('a', 'b', system), { code: 'EPERM' });
  t.deepEqual(done, { tries: 9, waited: 2880 });
});

test('other errors, and all errors on other systems, are thrown at once', async (t) => {
  for (const [platform, code] of [
    ['win32', 'ENOENT'],
    ['win32', 'ENOSPC'],
    ['linux', 'EPERM'],
    ['darwin', 'EBUSY'],
  ] as const) {
    const { system, done } = failing(platform, [code]);
    await t.throwsAsync(moveOver('a', 'b', system), { code }, `${platform} ${code}`);
    t.deepEqual(done, { tries: 1, waited: 0 });
  }
});
