import {
  type Path,
  type Report,
  type Result,
  toResult,
  type Work,
} from '../../src/bench/result.js';
import type { Contender } from '../../src/bench/rounds.js';

export const work: Work = {
  subject: 'unet',
  what: 'forward',
  model: 'tiny',
  batch: 4,
  size: 32,
};

export const ours: Path = {
  by: 'haze',
  device: 'wasm',
  arithmetic: null,
  build: 'relaxed',
  threads: 2,
};

export const peer = (by: string, threads = 2): Path => ({
  ...{ by, device: null, arithmetic: null, build: null, threads },
});

/** A clock that stands still but while a path has its turn. */
export class Clock {
  private at = 0;
  readonly now = (): number => this.at;
  pass(ms: number): void {
    this.at += ms;
  }
}

/** A path that always gives the same digest; its turns say times from a list, the last over and over, and `pass` time. */
export function contender(
  path: Path,
  digest: readonly number[],
  times: readonly number[] = [300],
  pass: () => void = () => undefined,
): Contender & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    path,
    calls,
    check: async () => {
      calls.push('check');
      return digest;
    },
    turn: async () => {
      calls.push('turn');
      pass();
      const turns = calls.filter((call) => call === 'turn').length;
      return times[Math.min(turns, times.length) - 1]!;
    },
  };
}

/** Three paths of one piece of work and two of another; ours takes 10 ms. */
export const results: readonly Result[] = [
  toResult(work, ours, [9, 10, 12]),
  toResult(work, { ...ours, threads: 1 }, [18, 18, 18]),
  toResult(work, peer('PyTorch'), [30, 30, 30]),
  toResult(work, peer('PyTorch channels_last'), [18, 20, 24]),
  toResult(
    { ...work, subject: 'arithmetic', what: 'qSample', model: null },
    { ...ours, device: null, arithmetic: 'wasm' },
    [2, 2, 2],
  ),
  toResult(
    { ...work, subject: 'arithmetic', what: 'qSample', model: null },
    peer('plain JS', 1),
    [8, 8, 8],
  ),
];

const layer = (name: string, ms: number, gflops: number | null) => ({
  ...{ layer: name, kind: gflops === null ? ('activation' as const) : ('convolution' as const) },
  ...{ pass: gflops === null ? null : ('forward' as const) },
  ...{ algorithm: gflops === null ? null : 'F(4,3)', ms, gflops },
  bytes: gflops === null ? 1e7 : null,
});

export const report: Report = {
  machine: { processor: 'Test', cores: 2, memoryBytes: 2 ** 33, system: 'linux' },
  versions: { haze: '0.0.0', PyTorch: '2.0' },
  results,
  missing: [{ ...work, by: 'tfjs-node', why: 'not set up: haze setup tensorflow' }],
  layers: [
    {
      ...{
        model: 'tiny',
        batch: 4,
        size: 32,
        threads: 2,
        build: 'relaxed',
        wide: false,
        peak: 100,
        bandwidth: 40,
      },
      forward: [layer('conv0', 1, 50), layer('downs.0.conv1', 3, 200), layer('relu', 1, null)],
      train: [layer('conv0', 2, 25)],
    },
  ],
};
