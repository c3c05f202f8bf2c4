// Prepares a fresh clone for `npm start` and `npm test`.
// No dependency may be imported here.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a program in the repository; ends this one with its code if it fails. */
export function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
  });
  if (error) fail(`cannot run ${program}: ${error.message}`);
  if (signal) process.exit(130);
  if (status !== 0) process.exit(status ?? 1);
}

/** Ends with a line on stderr. */
export function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}

/** Installs the packages of package-lock.json, unless node_modules already has exactly these. */
export function install() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Haze needs Node 20.19 or newer; this is ${process.version}`);
  if (isInstalled()) return;
  console.log('Installing dependencies …');
  npm('ci', '--no-audit', '--no-fund');
}

/** Runs npm; under `npm start` the npm that started this, since spawning `npm` needs a shell on Windows. */
export function npm(...args) {
  const script = process.env.npm_execpath;
  if (script) run(process.execPath, [script, ...args]);
  else run('npm', args, { shell: process.platform === 'win32' });
}

/** Runs npm, whose failure is not fatal, and returns its exit status. */
export function npmStatus(...args) {
  const script = process.env.npm_execpath;
  const options = { cwd: root, stdio: 'inherit' };
  const { status } = script
    ? spawnSync(process.execPath, [script, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  return status;
}

/** Whether npm's record of node_modules agrees with the lock; optional packages may be missing. */
function isInstalled() {
  const wanted = packages('package-lock.json');
  const present = packages('node_modules/.package-lock.json');
  if (!present) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    const found = present[path];
    return found ? found.version === version : Boolean(optional || devOptional);
  });
}

function packages(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

const STAMP = join(root, 'dist', '.built');

/** The inputs of the build. */
const SOURCES = ['assembly', 'src', 'test', 'bench', 'tools', 'web'];
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'asconfig.json'];

/** Builds dist/ unless it is up to date. */
export function build({ always = false } = {}) {
  if (!always && isBuilt()) return;
  console.log('Building …');
  rmSync(STAMP, { force: true });
  run(process.execPath, ['tools/build.js']);
  writeFileSync(STAMP, '');
}

function isBuilt() {
  if (!existsSync(STAMP)) return false;
  const built = statSync(STAMP).mtimeMs;
  const inputs = SETTINGS.concat(SOURCES.filter((folder) => existsSync(join(root, folder))));
  return inputs.every((path) => newest(join(root, path)) <= built);
}

/** Time of the newest change in a file or folder; a folder's own time shows deleted entries. */
function newest(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  const inside = readdirSync(path).map((name) => newest(join(path, name)));
  return Math.max(stats.mtimeMs, ...inside);
}
