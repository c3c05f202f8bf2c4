// `npm run test:nodes`: runs every test on each version of Node that Haze supports, and checks that all give the same bits.
// Arguments go to ava: `npm run test:nodes -- dist/test/io/run.test.js`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { differences } from './differences.js';
import { fetchNode } from './fetch-node.js';
import { build, fail, install, root } from './prepare.js';
import { countText, runTests } from './run-tests.js';

const MAJORS = [20, 22, 24, 26];

install();
build({ always: true });

const sum = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
const bits = {};
for (const node of MAJORS.map(fetchNode)) {
  const version = output(node, ['--version']);
  console.log(`\n== Node ${version}`);
  bits[version] = bitsOf(node);
  const wide = bitsOf(node, 'wide');
  if (Object.keys(wide).length > 0) bits[`${version} wide`] = wide;
  const count = await runTests(node, process.argv.slice(2));
  for (const kind of Object.keys(sum)) sum[kind] += count[kind];
  lines.push(`${version.padEnd(10)} ${countText(count)}`);
}
const differing = differences(bits);
console.log(`\n${lines.join('\n')}`);
for (const line of differing) console.log(line);
const [first = {}] = Object.values(bits);
if (differing.length === 0) console.log(`the same bits on all: ${Object.keys(first).join(', ')}`);
sum.failed += differing.length;
console.log(countText(sum));
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;

/** Hashes of the outputs of one seed. */
function bitsOf(node, ...args) {
  return JSON.parse(output(node, [join('dist', 'test', 'helpers', 'bits.js'), ...args]));
}

function output(program, args) {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const { status, stdout, error } = spawnSync(program, args, { cwd: root, stdio });
  if (error || status !== 0) fail(`${program} ${args.join(' ')}: ${error?.message ?? status}`);
  return String(stdout).trim();
}
