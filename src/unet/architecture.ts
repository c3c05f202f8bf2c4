import { UsageError } from '../errors.js';

/** What fixes the U-Net's parameters. Image size and batch are chosen per run, not here. */
export interface Architecture {
  /** Channels of conv0 and of each stage after it, e.g. 64, 128, 256, 512, 1024; two or more. */
  readonly widths: readonly number[];
  /** Image channels: 1 (grey) or 3 (RGB). */
  readonly channels: 1 | 3;
  /** Length of the time embedding; even, at least 4. */
  readonly timeDim: number;
  /** Two BatchNorms a stage (`bnorm1`, `bnorm2`), or one applied twice (`bnorm`). */
  readonly norm: 'separate' | 'shared';
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

/** @throws UsageError naming the field that cannot be. */
export function checkArchitecture(a: Architecture): void {
  if (a.widths.length < 2)
    throw new UsageError(`--widths: expected two or more widths, got ${a.widths.length}`);
  for (const w of a.widths)
    if (!Number.isInteger(w) || w < 1)
      throw new UsageError(`--widths: expected whole numbers of 1 or more, got ${w}`);
  if (a.channels !== 1 && a.channels !== 3)
    throw new UsageError(`--channels: expected 1 or 3, got ${String(a.channels)}`);
  if (!Number.isInteger(a.timeDim) || a.timeDim < 4 || a.timeDim % 2 !== 0)
    throw new UsageError(`--time-dim: expected an even number of at least 4, got ${a.timeDim}`);
}

/** @throws UsageError when the stages do not divide the image side. */
export function checkSize(a: Architecture, size: number): void {
  const factor = 2 ** (a.widths.length - 1);
  if (!Number.isInteger(size) || size < factor || size % factor !== 0) {
    throw new UsageError(
      `--size: ${a.widths.length} widths halve the image ${a.widths.length - 1} times, ` +
        `so the size must be a multiple of ${factor}; got ${size}`,
    );
  }
}

/** The stages in the order they run: down ones, then up ones. */
export function stages(a: Architecture): Stage[] {
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

/** Trained parameters: weights and biases. 62,438,883 for the reference's widths. */
export function countParameters(a: Architecture): number {
  return layers(a).reduce(
    (sum, l) => sum + weightShape(l).reduce((p, d) => p * d, 1) + l.outputs,
    0,
  );
}

const pairs = (list: readonly number[]): [number, number][] =>
  list.slice(1).map((to, i) => [list[i]!, to]);
