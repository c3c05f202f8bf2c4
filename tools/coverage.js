// `npm run coverage`: runs the tests and prints V8's coverage of src/ by line and branch. Arguments
// go to ava: `npm run coverage -- dist/test/io/json.test.js`. Programs that the tests start count, unless they are killed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, install, root, run } from './prepare.js';

/** The script behind a package's command. */
function command(name) {
  const folder = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[name]);
}

install();
build();
// The compiled files; source maps lead back to src/. Merged one by one: every program of the tests writes a file, too many for the heap.
const flags = [
  '--merge-async',
  '--clean',
  '--include',
  'dist/src/**',
  '--exclude',
  'dist/src/watch/page/**',
];
run(process.execPath, [
  command('c8'),
  ...flags,
  ...['--reporter', 'text'],
  ...[process.execPath, command('ava'), ...process.argv.slice(2)],
]);
