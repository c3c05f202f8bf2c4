import { UsageError } from '../errors.js';
import { GraphBuilder } from './builder.js';
import type { Graph } from './graph.js';

/** The reference's U-Net, from a PyTorch walk-through: the fields that determine its parameters. */
export interface SimpleConfig {
  readonly kind: 'simple';
  /**
   * Channels of conv0 and of each stage after it, two or more; each halves the image. Default the preset's.
   * E.g. `widths: [64, 128, 256]`.
   */
  readonly widths: readonly number[];
  /** Image channels: 1 (grey), 3 (RGB), or those of latents. Default 3. E.g. `channels: 1`. */
  readonly channels: number;
  /** Length of the time embedding; even, at least 4. Default 32; for unet2d four times the first width. E.g. `timeDim: 64`. */
  readonly timeDim: number;
  /** Two BatchNorms per stage (`bnorm1`, `bnorm2`), or one applied twice (`bnorm`). Default `separate`. E.g. `norm: 'shared'`. */
  readonly norm: 'separate' | 'shared';
}

/** @throws UsageError naming the invalid option. */
export function checkSimple({ widths, timeDim }: SimpleConfig): void {
  if (widths.length < 2)
    throw new UsageError(`--widths: expected two or more widths, got ${widths.length}`);
  if (!Number.isInteger(timeDim) || timeDim < 4 || timeDim % 2 !== 0)
    throw new UsageError(`--time-dim: expected an even number of at least 4, got ${timeDim}`);
}

/** One of the U's stages: two convolutions with norms, then a change of resolution. */
export interface Stage {
  /** state_dict prefix: `downs.0`, `ups.3`. */
  readonly name: string;
  readonly up: boolean;
  readonly inputs: number;
  readonly outputs: number;
  /** The norms after conv1 and conv2; the same name twice for a shared one. */
  readonly norms: readonly [string, string];
}

/** The stages in execution order: down, then up, whose input is a concatenation. */
export function stages({ widths, norm }: Pick<SimpleConfig, 'widths' | 'norm'>): Stage[] {
  const names = (stage: string): [string, string] =>
    norm === 'shared'
      ? [`${stage}.bnorm`, `${stage}.bnorm`]
      : [`${stage}.bnorm1`, `${stage}.bnorm2`];
  const pairs = (list: readonly number[]) => list.slice(1).map((to, i) => [list[i]!, to] as const);
  return [
    ...pairs(widths).map(([inputs, outputs], i) => ({
      ...{ name: `downs.${i}`, up: false, inputs, outputs, norms: names(`downs.${i}`) },
    })),
    ...pairs([...widths].reverse()).map(([inputs, outputs], i) => ({
      ...{ name: `ups.${i}`, up: true, inputs: 2 * inputs, outputs, norms: names(`ups.${i}`) },
    })),
  ];
}

/** The network for square images of `size` pixels. */
export function buildSimple(config: SimpleConfig, size: number): Graph {
  const { channels, timeDim } = config;
  const g = new GraphBuilder(size, channels);
  const declared = declare(g, config);

  const sinusoid = g.sinusoid('time', timeDim, { order: 'sin-cos', shift: 1, divide: 'before' });
  const time = g.relu(g.linear(declared.time, sinusoid));
  let h = g.conv(declared.first, g.image());
  const skips: (typeof h)[] = [];
  for (const s of declared.stages) {
    if (s.up) h = g.concat(h, skips.pop()!);
    h = g.norm(s.norm1, g.relu(g.conv(s.conv1, h)));
    h = g.add(h, g.relu(g.linear(s.time, time)));
    h = g.norm(s.norm2, g.relu(g.conv(s.conv2, h)));
    h = g.conv(s.transform, h);
    if (!s.up) skips.push(h);
  }
  return g.build(g.conv(declared.output, h));
}

/** All layers, in the order of the reference's `state_dict()`. */
function declare({ declare }: GraphBuilder, config: SimpleConfig) {
  const { widths, timeDim, channels } = config;
  const first = widths[0]!;
  const half = { stride: 2, padding: [1, 1] } as const;
  return {
    time: declare.linear('time_mlp.1', timeDim, timeDim),
    first: declare.conv('conv0', channels, first, 3),
    stages: stages(config).map(({ name, up, inputs, outputs, norms }) => {
      const time = declare.linear(`${name}.time_mlp`, timeDim, outputs);
      const conv1 = declare.conv(`${name}.conv1`, inputs, outputs, 3);
      const resample = up ? declare.convTranspose : declare.conv;
      const transform = resample(`${name}.transform`, outputs, outputs, 4, half);
      const conv2 = declare.conv(`${name}.conv2`, outputs, outputs, 3);
      const norm1 = declare.batchNorm(norms[0], outputs);
      const norm2 = norms[1] === norms[0] ? norm1 : declare.batchNorm(norms[1], outputs);
      return { up, time, conv1, transform, conv2, norm1, norm2 };
    }),
    output: declare.conv('output', first, channels, 1),
  };
}
