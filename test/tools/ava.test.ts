import { execFile } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { temporaryFolder } from '../helpers/folder.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const TESTS = `
import test from 'ava';

const bare = Object.assign(new Error('the folder is not empty'), { stack: 'Error: the folder is not empty' });

test('passes', (t) => t.pass());
test('fails in its teardown', (t) => {
  t.teardown(() => Promise.reject(bare));
  t.pass();
});
test('fails by all of several', () => Promise.any([Promise.reject(bare)]));
test('fails with an odd stack', () => Promise.reject(Object.assign(new Error('odd'), { stack: 5 })));
`;

const HANGS = `
import test from 'ava';
test('never ends', (t) => {
  setInterval(() => {}, 1000);
  return new Promise(() => {});
});
`;

/** Seconds after which a test that hangs is given up: it counts from the start of its process, which a busy machine delays. */
const HUNG = 15;

const EXITS = `
import test from 'ava';
test('leaves', () => process.exit(0));
`;

/** What the reporter writes of a file of tests, in a folder of its own. */
async function reported(t: ExecutionContext, tests: string, seconds = 600): Promise<string> {
  const folder = await temporaryFolder(t);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const settings = { type: 'module', ava: { files: ['*.test.js'] } };
  await writeFile(join(folder, 'package.json'), JSON.stringify(settings));
  await writeFile(join(folder, 'some.test.js'), tests);
  const args = [join(ROOT, 'tools/ava.js'), '--tap', `--timeout=${seconds}s`];
  // A program that ava starts takes from the environment that it is one of its tests.
  const env = { PATH: process.env.PATH };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env }, (_, stdout, stderr) =>
      resolve(`${stdout}${stderr}`),
    );
  });
}

test('errors without a place in their stack are reported', async (t) => {
  const said = await reported(t, TESTS);
  t.regex(said, /^ok \d - passes$/m, said);
  t.regex(said, /^not ok \d - fails in its teardown\n[\s\S]*?message: the folder is not empty/m);
  t.regex(said, /^not ok \d - fails by all of several$/m, said);
  t.regex(said, /^not ok \d - fails with an odd stack$/m, said);
  t.regex(said, /^# pass 1$/m, said);
  t.notRegex(said, /YAMLException|TypeError/);
});

test('a test that does not end is reported', async (t) => {
  const said = await reported(t, HANGS, HUNG);
  t.regex(said, /^not ok 1 - never ends\n[\s\S]*?message: .*no test has ended within 15 s/m, said);
  t.regex(said, /^# fail 1$/m, said);
  t.notRegex(said, /TypeError/);
});

test('a test that ends its process is reported', async (t) => {
  const said = await reported(t, EXITS);
  t.regex(
    said,
    /^not ok 1 - leaves\n[\s\S]*?message: process\.exit\(\) was called in some\.test\.js/m,
  );
  t.regex(said, /^# fail 1$/m, said);
  t.notRegex(said, /TypeError/);
});
