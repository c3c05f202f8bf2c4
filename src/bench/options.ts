import type { ComputingConfig, ModelConfig } from '../config/config.js';
import type { NetworkOptions } from '../contracts/device.js';

/** How a model is trained. */
export type Training = Required<Pick<NetworkOptions, 'loss' | 'optimizer' | 'ema'>> & {
  readonly lr: number;
};

/** A model that is measured, and what it is called in the results. */
export interface NamedModel {
  readonly name: string;
  readonly model: ModelConfig;
  /** Of a recipe, and its batch; else it is trained as its network's authors do. */
  readonly recipe?: Training & { readonly batch: number };
}

export interface BenchOptions {
  /** The model that flags ask for; null measures the default cases. */
  readonly chosen: NamedModel | null;
  /** `--batch`; null where each subject takes its own. */
  readonly batch: number | null;
  readonly rounds: number;
  /** Threads, build, eager; `device` and `arithmetic` are in `only`. */
  readonly computing: ComputingConfig;
  /** What `--device` and `--arithmetic` restrict the paths to; null measures all. */
  readonly only: {
    readonly device: 'wasm' | 'tensorflow' | null;
    readonly arithmetic: 'wasm' | 'tensorflow' | null;
  };
  readonly seed: number;
  readonly peers: boolean;
  readonly layers: boolean;
  /** Busy processes beside which the U-Net is measured once more; 0: none. */
  readonly beside: number;
  readonly onNote: (text: string) => void;
}
