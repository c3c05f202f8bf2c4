import type { ComputingConfig, ModelConfig } from '../config/config.js';
import type { NetworkOptions } from '../contracts/device.js';

/** How a model is trained. */
export type Training = Required<Pick<NetworkOptions, 'loss' | 'optimizer' | 'ema'>> & {
  readonly lr: number;
};

/** A measured model, and its name in the results. */
export interface NamedModel {
  readonly name: string;
  readonly model: ModelConfig;
  /** A recipe's training and batch; without it the model is trained as its network's authors train it. */
  readonly recipe?: Training & { readonly batch: number };
}

export interface BenchOptions {
  /** The model chosen by flags; null measures the default cases. */
  readonly chosen: NamedModel | null;
  /** `--batch`; null uses each subject's own. */
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
  /** Number of busy processes for a second measurement of the U-Net; 0 for none. */
  readonly beside: number;
  readonly onNote: (text: string) => void;
}
