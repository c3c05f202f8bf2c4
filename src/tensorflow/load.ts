/**
 * Loads tfjs with the native binding that set-up built. The package's own entry point requires a binary
 * from its own installer, so its parts are put together here.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';
import { RunError } from '../errors.js';
import { type Install, type Origin, refuseUnsafeInstall, requireInstall } from './locate.js';
import { PACKAGE } from './package.js';
import type { Binding, Tf, TfBackend } from './tfjs.js';

/** tfjs, ready to use. */
export interface Tensorflow {
  readonly tf: Tf;
  readonly backend: TfBackend;
  /** libtensorflow's version, e.g. `2.21.0`. */
  readonly version: string;
  readonly origin: Origin;
  /** Whether operations run on a CUDA device. */
  readonly gpu: boolean;
  readonly install: Install;
}

export interface LoadOptions {
  /** Allow TF32 (10-bit mantissas) in convolutions and products on Ampere GPUs and later; default true. */
  readonly tf32?: boolean;
  /** Leave the environment unchanged, for comparisons with tfjs as others use it; default false. */
  readonly asShipped?: boolean;
}

let loading: Promise<Tensorflow> | undefined;

/**
 * Loads libtensorflow once per process; later calls return the same. Only the first call's options count.
 * @throws UsageError if it is not set up; RunError if it does not load.
 */
export function loadTensorflow(options: LoadOptions = {}): Promise<Tensorflow> {
  loading ??= loadInstall(requireInstall(), options);
  return loading;
}

/** Environment variables that libtensorflow reads while it loads; the user's own values take precedence. */
function libraryEnvironment(options: LoadOptions = {}): Record<string, string> {
  return {
    // Off by default on many CPUs; it makes the backward convolutions with SAME padding twice as fast.
    TF_ENABLE_ONEDNN_OPTS: '1',
    // Errors only: TensorFlow writes to stderr on its own.
    TF_CPP_MIN_LOG_LEVEL: '2',
    // Otherwise it takes nearly all memory of every GPU at once.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    ...(options.tf32 === false && { NVIDIA_TF32_OVERRIDE: '0' }),
  };
}

/**
 * Loads a given install. One process can load one libtensorflow: call this once, or `loadTensorflow`.
 * @throws UsageError for one in the cache that others may change; RunError if it does not load.
 */
export async function loadInstall(
  install: Install,
  options: LoadOptions = {},
): Promise<Tensorflow> {
  refuseUnsafeInstall(install);
  if (!options.asShipped)
    for (const [name, value] of Object.entries(libraryEnvironment(options)))
      process.env[name] ??= value;
  shimNode();
  const require = createRequire(path.join(install.packageFolder, 'package.json'));
  const tf = require('@tensorflow/tfjs') as Tf;
  const part = (name: string): unknown => require(path.join(install.packageFolder, 'dist', name));
  const { NodeJSKernelBackend } = part('nodejs_kernel_backend') as {
    NodeJSKernelBackend: new (binding: Binding, packageName: string) => TfBackend;
  };
  const binding = loadBinding(require, install);
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, PACKAGE), 3);
  part('register_all_kernels');
  await tf.setBackend('tensorflow');
  await tf.ready();
  const backend = tf.backend();
  const { origin } = install;
  const version = binding.TF_Version;
  return { tf, backend, version, origin, gpu: backend.isUsingGpuDevice, install };
}

function loadBinding(require: NodeJS.Require, install: Install): Binding {
  try {
    return require(install.binding) as Binding;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new RunError(
      `tensorflow does not load (${why}); run \`haze setup tensorflow${install.origin === 'cuda' ? ' --cuda' : ''}\` again`,
      { cause },
    );
  }
}

/** The package calls two functions of `util` that Node 22 deprecates, and that Node 23 removed. */
function shimNode(): void {
  const old = util as { isNullOrUndefined?: unknown; isArray?: unknown };
  old.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  old.isArray = Array.isArray;
}
