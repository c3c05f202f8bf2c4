// The package as users get it: its tarball, and projects in which it is installed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, root } from './prepare.js';

/** Runs `use` with a temporary folder whose path contains spaces, and removes it. */
export function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'haze a package '));
  // A failure ends the process at once.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  use(folder);
}

/** Runs a program: returns its output and its seconds. Exits if it fails. */
export function timed(cwd, program, args, env = {}) {
  const begin = performance.now();
  // The npm that runs us: on Windows its command is a script, which needs a shell, and a shell splits paths with spaces.
  const script = program === 'npm' ? process.env.npm_execpath : undefined;
  const [file, all] = script ? [process.execPath, [script, ...args]] : [program, args];
  const { npm_config_local_prefix: _, ...rest } = process.env;
  const options = { cwd, env: { ...rest, ...env }, encoding: 'utf8', maxBuffer: 2 ** 26 };
  const { status, error, stdout, stderr } = spawnSync(file, all, options);
  if (error || status !== 0)
    fail(`${program} ${args.join(' ')}\n${error?.message ?? `${stdout}${stderr}`}`);
  return { stdout, seconds: (performance.now() - begin) / 1000 };
}

/** Packs the tarball into a folder: returns its path, its size, and that of its files. */
export function pack(folder) {
  const args = ['pack', '--json', '--pack-destination', folder];
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(
    timed(root, 'npm', args).stdout,
  );
  return { path: join(folder, filename), size, unpackedSize, entryCount };
}

/** An empty project in a folder. */
export function project(folder, name, more = {}) {
  const path = join(folder, name);
  mkdirSync(path);
  const manifest = { name: 'a-project', private: true, type: 'module', ...more };
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest));
  return path;
}

/** Bytes of all files below a folder. */
export function bytesBelow(folder) {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) sum += statSync(join(entry.parentPath ?? entry.path, entry.name)).size;
  return sum;
}
