import type { KernelChoice } from '../engine/module.js';
import { UsageError } from '../errors.js';
import { processors } from '../machine/processors.js';
import type { ComputingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { Source } from './source.js';

/** Flags of every command that computes. */
export const computingFlags: Flags = {
  device: {
    describe: 'Where the U-Net runs; auto is tensorflow with a usable GPU, else wasm',
    value: 'wasm|tensorflow|auto',
    default: 'wasm',
  },
  arithmetic: {
    describe: 'Where noising, reverse steps and pixel conversion run',
    value: 'wasm|tensorflow',
    default: 'wasm',
  },
  threads: { describe: 'Workers of the wasm engine', value: 'N', default: 'all cores it may use' },
  strict: { describe: 'Use no relaxed SIMD: the same bits on every machine' },
  wide: {
    describe:
      '256-bit vectors: faster, the same bits; needs Node 24 or newer, x64 with AVX2; --no-wide does without',
    default: 'Node 24 to 26',
    negatable: true,
  },
  require: { describe: 'Exit with 3 unless a CUDA GPU computes', value: 'cuda' },
  seed: { describe: 'Key of all random numbers', value: 'N', default: '0' },
  eager: { describe: 'Run TensorFlow operation by operation, for debugging' },
};

export const COMPUTING_DEFAULTS: ComputingConfig = {
  device: 'wasm',
  arithmetic: 'wasm',
  threads: null,
  strict: false,
  wide: null,
  eager: false,
};

/** The computing settings that a source gives. @throws UsageError for an invalid one */
export function readComputing(source: Source): Partial<ComputingConfig> {
  return given<ComputingConfig>({
    device: source.oneOf('device', ['wasm', 'tensorflow', 'auto']),
    arithmetic: source.oneOf('arithmetic', ['wasm', 'tensorflow']),
    threads: source.whole('threads', { min: 1, max: 256 }),
    strict: source.boolean('strict'),
    wide: source.boolean('wide'),
    eager: source.boolean('eager'),
  });
}

export const readRequireCuda = (source: Source): boolean =>
  source.oneOf('require', ['cuda']) === 'cuda';

/** @throws UsageError for `--eager` if TensorFlow does not compute */
export function checkComputing(config: ComputingConfig): ComputingConfig {
  if (config.eager && config.device === 'wasm')
    throw new UsageError(`--eager: belongs to --device tensorflow; the device is wasm`);
  return config;
}

/** The choice of kernels for the engine. */
export const kernelsOf = ({ strict, wide }: ComputingConfig): KernelChoice => ({ strict, wide });

/** Number of workers: as requested, else one per available processor. */
export const threadCount = (config: ComputingConfig): number => config.threads ?? processors();

export { readSeed } from './drawing.js';
