/**
 * Networks in ONNX files, run by onnxruntime-node: an optional package of some 290 MB, loaded lazily when features are
 * requested. Only the part of its interface that is used is described here, since its types may not be installed.
 */
import { stat } from 'node:fs/promises';
import { UsageError } from '../errors.js';
import { systemReason } from '../io/atomic.js';
import { checkPlain } from '../io/plain-file.js';

/** A session of the runtime. */
export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Missing in old releases. */
  readonly inputMetadata?: readonly OnnxValue[];
  run(
    inputs: Readonly<Record<string, unknown>>,
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

export interface OnnxValue {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  /** A dynamic dimension is a name. */
  readonly shape?: readonly (number | string)[];
}

export interface OnnxTensor {
  readonly data: unknown;
  readonly dims: readonly number[];
}

interface Runtime {
  readonly env?: { readonly versions?: { readonly node?: string } };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(path: string, options: object): Promise<OnnxSession>;
  };
}

/** An open network, and the form of its input. */
export interface OnnxNetwork {
  readonly session: OnnxSession;
  tensor(data: Float32Array, shape: readonly number[]): unknown;
}

const PACKAGE = 'onnxruntime-node';

/** How to install it. Its install script would only fetch the CUDA library: the package contains the CPU runtime. */
export const INSTALL_ONNX = `npm install --save-dev --ignore-scripts ${PACKAGE}`;

/** Suppresses the runtime's warnings about folded constants: only errors are printed. */
const ERRORS_ALONE = 3;

/** @throws UsageError if the package is missing or does not load, and for a file that it cannot read */
export async function openOnnx(path: string, threads: number): Promise<OnnxNetwork> {
  try {
    checkPlain(path, await stat(path));
  } catch (error) {
    const reason = systemReason(error);
    if (error instanceof UsageError) throw new UsageError(`--features ${error.message}`);
    if (reason === undefined) throw error;
    throw new UsageError(`--features ${path}: cannot be read: ${reason}`);
  }
  const { Tensor, InferenceSession } = await load();
  try {
    const session = await InferenceSession.create(path, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionProviders: ['cpu'],
      logSeverityLevel: ERRORS_ALONE,
    });
    return { session, tensor: (data, shape) => new Tensor('float32', data, shape) };
  } catch (error) {
    throw new UsageError(
      `--features ${path}: expected an ONNX network, got a file that ${PACKAGE} cannot read: ${firstLine(error)}`,
    );
  }
}

/** Its version, or why it is not available. */
export async function describeOnnx(): Promise<{ version: string } | { missing: string }> {
  try {
    const { env } = await load();
    return { version: env?.versions?.node ?? 'of unknown version' };
  } catch (error) {
    return { missing: firstLine(error) };
  }
}

async function load(): Promise<Runtime> {
  try {
    const { default: runtime } = (await import(PACKAGE)) as { default: Runtime };
    return runtime;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new UsageError(
      missing
        ? `--features: needs the package ${PACKAGE}, which is not installed: ${INSTALL_ONNX}`
        : `--features: the package ${PACKAGE} does not load: ${firstLine(error)}`,
    );
  }
}

export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!.slice(0, 200);
