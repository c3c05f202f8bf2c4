/**
 * Compiles the package's own C++ binding against the unpacked libtensorflow: its two source files, two of ours and one
 * compiler call, without node-gyp (which would download Node's headers from another host).
 */
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { RunError } from '../../errors.js';
import { command, reason } from './command.js';
import { MUTE_LIBRARY, MUTE_SOURCE, UNMUTE_SOURCE } from './mute.js';
import { SESSION_DEFINITION, SESSION_SOURCE } from './session.js';

const require = createRequire(import.meta.url);

/** Compilers to try, in order; `CXX` comes first if it is set. */
const COMPILERS = ['g++', 'c++', 'clang++'];

/**
 * The first C++ compiler on the PATH; `cwd` is a folder of the set-up's own.
 * @throws RunError that says what to install.
 */
export async function findCompiler(env: NodeJS.ProcessEnv, cwd: string): Promise<string> {
  const candidates = env.CXX ? [env.CXX, ...COMPILERS] : COMPILERS;
  for (const name of candidates) {
    const version = await command(name, ['--version'], env, cwd);
    if (version?.status === 0) return name;
  }
  throw new RunError(
    'setup tensorflow: no C++ compiler on the PATH; install one ' +
      '(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++) and run this again',
  );
}

/** The inputs of a compilation. */
export interface Compilation {
  readonly compiler: string;
  /** The folder of `@tensorflow/tfjs-node-gpu`, which has the binding's sources. */
  readonly packageFolder: string;
  /** The folder with libtensorflow and its headers, where the binding goes too. */
  readonly libraries: string;
  /** The `.node` file. */
  readonly output: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Compiles the binding, which looks for libtensorflow in its own folder (run path `$ORIGIN`), so that the
 * folder can be renamed. @throws RunError with the compiler's last error.
 */
export async function compileBinding(compilation: Compilation): Promise<void> {
  const { packageFolder, libraries, output } = compilation;
  const muteSource = path.join(libraries, 'mute.cc');
  const unmuteSource = path.join(libraries, 'unmute.cc');
  await writeFile(muteSource, MUTE_SOURCE);
  await writeFile(unmuteSource, UNMUTE_SOURCE);
  const sessionSource = path.join(libraries, 'session.cc');
  await writeFile(sessionSource, SESSION_SOURCE);
  await run(compilation, [
    ...[muteSource, '-o', path.join(libraries, MUTE_LIBRARY)],
    `-Wl,-soname,${MUTE_LIBRARY}`,
  ]);
  const headers = (require('node-api-headers') as { include_dir: string }).include_dir;
  const source = (name: string) => path.join(packageFolder, 'binding', name);
  await run(compilation, [
    ...['-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=tfjs_binding', SESSION_DEFINITION],
    ...[`-I${headers}`, `-I${path.join(libraries, 'include')}`],
    ...[source('tfjs_backend.cc'), source('tfjs_binding.cc'), unmuteSource, sessionSource],
    ...['-o', output],
    ...[`-L${libraries}`, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
    ...[`-l:${MUTE_LIBRARY}`, '-Wl,-rpath,$ORIGIN'],
  ]);
}

async function run(
  { compiler, env, libraries }: Compilation,
  args: readonly string[],
): Promise<void> {
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared'];
  const done = await command(compiler, [...flags, ...args], env, libraries);
  if (done?.status === 0) return;
  const why = done ? reason(done) : 'it could not be started';
  throw new RunError(`setup tensorflow: ${compiler} could not compile the binding: ${why}`);
}
