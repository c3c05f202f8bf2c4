import { RunError } from '../errors.js';
import type { NetworkConfig } from '../network/network.js';
import type { SimpleConfig } from '../network/simple.js';

export type Architecture = NetworkConfig;

/** What this hand-written description is of. */
function simple(a: Architecture): SimpleConfig {
  if (a.kind !== 'simple') throw new RunError(`no device computes ${a.kind} yet`);
  return a;
}

/** Kinds of layer; they fix PyTorch's default initialisation and the layout of the weight. */
export type LayerKind = 'linear' | 'conv' | 'convTranspose' | 'batchNorm';

/** One layer with parameters, in the order of the reference's `state_dict()`. */
export interface Layer {
  /** state_dict prefix, e.g. `downs.0.conv1`. */
  readonly name: string;
  readonly kind: LayerKind;
  readonly inputs: number;
  readonly outputs: number;
  /** Kernel side: 3, 4 or 1; 1 for linear and BatchNorm. */
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** One of the U's stages: two convolutions with norms, then a change of resolution. */
export interface Stage {
  /** state_dict prefix: `downs.0`, `ups.3`. */
  readonly name: string;
  readonly up: boolean;
  /** Channels of the stage's input: for an up stage, of the concatenation (twice the width below). */
  readonly inputs: number;
  readonly outputs: number;
  /** The norms after conv1 and conv2; the same name twice with `--norm shared`. */
  readonly norms: readonly [string, string];
}

/** The stages in the order they run: down ones, then up ones. */
export function stages(architecture: Architecture): Stage[] {
  const a = simple(architecture);
  const up = [...a.widths].reverse();
  const stage = (name: string, isUp: boolean, inputs: number, outputs: number): Stage => ({
    name,
    up: isUp,
    inputs,
    outputs,
    norms:
      a.norm === 'shared'
        ? [`${name}.bnorm`, `${name}.bnorm`]
        : [`${name}.bnorm1`, `${name}.bnorm2`],
  });
  return [
    ...pairs(a.widths).map(([from, to], i) => stage(`downs.${i}`, false, from, to)),
    ...pairs(up).map(([from, to], i) => stage(`ups.${i}`, true, 2 * from, to)),
  ];
}

/** Every layer with parameters, in state_dict order. */
export function layers(a: Architecture): Layer[] {
  const linear = (name: string, inputs: number, outputs: number): Layer => ({
    name,
    kind: 'linear',
    inputs,
    outputs,
    kernel: 1,
    stride: 1,
    padding: 0,
  });
  const conv = (name: string, inputs: number, outputs: number, kernel: number): Layer => ({
    name,
    kind: 'conv',
    inputs,
    outputs,
    kernel,
    stride: kernel === 4 ? 2 : 1,
    padding: kernel === 1 ? 0 : 1,
  });
  const first = a.widths[0]!;
  const all: Layer[] = [
    linear('time_mlp.1', a.timeDim, a.timeDim),
    conv('conv0', a.channels, first, 3),
  ];
  for (const s of stages(a)) {
    const transform = conv(`${s.name}.transform`, s.outputs, s.outputs, 4);
    all.push(
      linear(`${s.name}.time_mlp`, a.timeDim, s.outputs),
      conv(`${s.name}.conv1`, s.inputs, s.outputs, 3),
      s.up ? { ...transform, kind: 'convTranspose' } : transform,
      conv(`${s.name}.conv2`, s.outputs, s.outputs, 3),
    );
    for (const name of new Set(s.norms)) {
      const bn = { name, kind: 'batchNorm', inputs: s.outputs, outputs: s.outputs } as const;
      all.push({ ...bn, kernel: 1, stride: 1, padding: 0 });
    }
  }
  all.push(conv('output', first, a.channels, 1));
  return all;
}

/** PyTorch's shape of a layer's weight. */
export function weightShape(l: Layer): number[] {
  switch (l.kind) {
    case 'linear':
      return [l.outputs, l.inputs];
    case 'conv':
      return [l.outputs, l.inputs, l.kernel, l.kernel];
    case 'convTranspose':
      return [l.inputs, l.outputs, l.kernel, l.kernel];
    case 'batchNorm':
      return [l.outputs];
    default:
      return l.kind satisfies never;
  }
}

const pairs = (list: readonly number[]): [number, number][] =>
  list.slice(1).map((to, i) => [list[i]!, to]);
