import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { strToU8, zipSync } from 'fflate';
import type { Bundle } from '../../src/tensorflow/setup/wheels.js';

/** A machine made of scripts: its PATH holds these programs and no others. */
export interface FakeMachine {
  readonly cache: string;
  readonly env: NodeJS.ProcessEnv;
  /** The wheel that the fake pip can deliver. */
  readonly wheel: string;
  readonly bundle: Bundle;
}

/** Bodies of shell scripts by program name. `$WHEEL` is the wheel, `$LAST` the last argument. */
export const PROGRAMS = {
  /** A Python whose pip copies the wheel to where it is asked to. */
  python: `[ "$4" = --version ] || /bin/cp "$WHEEL" "$LAST"`,
  pythonWithoutPip: 'echo "No module named pip" >&2; exit 1',
  /** A Python whose pip fails with a message. */
  pipSays: (message: string) => `[ "$4" = --version ] || { echo "${message}" >&2; exit 1; }`,
  /** A compiler that writes something, but no library. */
  compiler: `while [ $# -gt 0 ]; do [ "$1" = -o ] && echo nonsense > "$2"; shift; done`,
  compilerFails:
    '[ "$1" = --version ] || { echo "tfjs_backend.cc:20:10: fatal error: missing.h: No such file" >&2; exit 1; }',
} as const;

export async function fakeMachine(
  folder: string,
  programs: Readonly<Record<string, string>>,
): Promise<FakeMachine> {
  const bin = path.join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, body] of Object.entries(programs)) {
    await writeFile(path.join(bin, name), `#!/bin/sh\nfor LAST; do :; done\n${body}\n`);
    await chmod(path.join(bin, name), 0o755);
  }
  const bytes = zipSync({
    'tensorflow/libtensorflow_cc.so.2': strToU8('the library'),
    'tensorflow/libtensorflow_framework.so.2': strToU8('the framework'),
    'tensorflow/include/tensorflow/c/c_api.h': strToU8('// a header'),
    'tensorflow/python/unwanted.py': strToU8('print()'),
  });
  const file = 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl';
  const wheel = path.join(folder, file);
  await writeFile(wheel, bytes);
  const tensorflow = {
    project: 'tensorflow-cpu',
    version: '2.21.0',
    file,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    unpacked: 1000,
  };
  const cache = path.join(folder, 'cache');
  const env = { PATH: bin, HAZE_CACHE: cache, WHEEL: wheel };
  return { cache, env, wheel, bundle: { kind: 'cpu', tensorflow, nvidia: [] } };
}

/** Every file below a folder, relative to it and sorted; none where there is no folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}
