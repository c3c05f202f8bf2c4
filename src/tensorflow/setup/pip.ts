/**
 * Fetches wheels with pip, which knows the user's proxies, mirrors and credentials. pip checks the hash,
 * and we check it again before a wheel found on disk is used.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RunError } from '../../errors.js';
import { command, type Finished, reason } from './command.js';
import type { Wheel } from './wheels.js';

/** Called with the bytes received so far. */
export type OnBytes = (bytes: number) => void;

/**
 * Isolated: modules come from Python's own installation, never from the current folder, which may contain a `pip.py`, nor from
 * `PYTHONPATH`.
 */
const PIP = ['-I', '-m', 'pip'];

/**
 * The first Python on the PATH with pip; `cwd` is a folder of the set-up's own.
 * @throws RunError that says what to install.
 */
export async function findPython(env: NodeJS.ProcessEnv, cwd: string): Promise<string> {
  let found = '';
  for (const name of ['python3', 'python']) {
    const version = await command(name, [...PIP, '--version'], env, cwd);
    if (version?.status === 0) return name;
    if (version) found ||= name;
  }
  throw new RunError(
    found
      ? `setup tensorflow: ${found} has no pip, which fetches libtensorflow; install it ` +
          '(Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip) and run this again'
      : 'setup tensorflow: no python3 on the PATH; its pip fetches libtensorflow; install both ' +
          '(Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip) and run this again',
  );
}

/** Whether the file exists and is that wheel, byte for byte. */
export async function isWheel(file: string, wheel: Wheel): Promise<boolean> {
  const size = await stat(file)
    .then((s) => s.size)
    .catch(() => -1);
  if (size < 0) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 22 }), hash);
  return hash.digest('hex') === wheel.sha256;
}

/**
 * Downloads one wheel into `folder` under its own name, through a temporary folder, so that a
 * wheel there is always complete. One call at a time per folder. @throws RunError: offline, another hash, no space.
 */
export async function downloadWheel(
  python: string,
  wheel: Wheel,
  folder: string,
  env: NodeJS.ProcessEnv,
  onBytes: OnBytes,
): Promise<void> {
  const partial = path.join(folder, '.partial');
  await rm(partial, { recursive: true, force: true });
  await mkdir(path.join(partial, 'tmp'), { recursive: true });
  const watch = setInterval(
    () => void sizeOf(partial).then((n) => onBytes(Math.min(n, wheel.bytes))),
    500,
  );
  try {
    const requirements = path.join(partial, 'requirements.txt');
    await writeFile(
      requirements,
      `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`,
    );
    const own = { ...env, TMPDIR: path.join(partial, 'tmp') };
    const done = await command(python, pipArguments(wheel, requirements, partial), own, partial);
    const file = path.join(partial, wheel.file);
    if (done?.status !== 0) throw downloadError(wheel, done);
    if (!(await isWheel(file, wheel))) throw mismatch(wheel);
    await rename(file, path.join(folder, wheel.file));
    onBytes(wheel.bytes);
  } finally {
    clearInterval(watch);
    await rm(partial, { recursive: true, force: true });
  }
}

/** pip's command line: this wheel's tags, whatever Python runs pip. */
function pipArguments(wheel: Wheel, requirements: string, folder: string): string[] {
  const [python = '', abi = '', platforms = ''] = wheel.file
    .replace(/\.whl$/, '')
    .split('-')
    .slice(-3);
  const implementation = python.slice(0, 2);
  const version = python.slice(2).replace(/^3(?=\d)/, '3.');
  return [
    ...[...PIP, 'download', '--no-deps', '--only-binary=:all:', '--require-hashes'],
    ...['--no-cache-dir', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off'],
    ...['--implementation', implementation, '--python-version', version, '--abi', abi],
    ...platforms.split('.').flatMap((platform) => ['--platform', platform]),
    ...['--requirement', requirements, '--dest', folder],
  ];
}

function mismatch(wheel: Wheel): RunError {
  return new RunError(
    `setup tensorflow: ${wheel.file} does not have the expected sha256 ${wheel.sha256}; the package index ` +
      'or a proxy served another file; nothing was installed',
  );
}

function downloadError(wheel: Wheel, done: Finished | undefined): RunError {
  const text = `${done?.stdout}\n${done?.stderr}`;
  if (/DO NOT MATCH THE HASHES/.test(text)) return mismatch(wheel);
  if (/No space left on device|Errno 28/.test(text))
    return new RunError(`setup tensorflow: the disk filled up while ${wheel.file} was downloaded`);
  const why = done ? reason(done) : 'it could not be started';
  return new RunError(
    `setup tensorflow: pip could not fetch ${wheel.project} ${wheel.version} (${why}); check the network ` +
      'connection, and behind a proxy or mirror set HTTPS_PROXY or PIP_INDEX_URL; then run this again',
  );
}

/** Bytes of all files below a folder; files that vanish meanwhile count as 0. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(path.join(entry.parentPath, entry.name))
        .then((s) => s.size)
        .catch(() => 0),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
