import { UsageError } from '../errors.js';
import { printable } from '../printable.js';
import { type DitConfig, ditDefaults } from './dit-config.js';
import { withVarianceShapes } from './learned-variance.js';
import { MOST_IMAGE_CHANNELS } from './limits.js';
import { buildNetwork, type NetworkConfig, type NetworkKind } from './network.js';
import { stateShapes } from './parameters.js';
import type { SimpleConfig } from './simple.js';
import { singleClassShapes, tableName } from './single-class.js';
import { type Unet2dConfig, unet2dDefaults } from './unet2d-config.js';

/** Characters of a file's names that messages show. */
const LONGEST = 200;

/*
 * Recognises the network of weights: it is derived from the shapes of a state dict,
 * and then every tensor is checked against it.
 */

/** Shapes by name, from a file's header. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** A tensor that each network has exactly once and the others lack: it identifies the network. */
export const ANCHORS = {
  simple: 'conv0.weight',
  unet2d: 'conv_in.weight',
  dit: 'pos_embed.proj.weight',
} as const satisfies Record<NetworkKind, string>;

/** Fields that do not affect the shapes of a network, or not always. */
export const UNSAID_OF = {
  simple: [],
  unet2d: [
    'headDim',
    'groups',
    'attentionGroups',
    'eps',
    'flipSinToCos',
    'freqShift',
    'midScale',
    'centerInput',
    'downPadding',
    'downType',
    'upType',
    'dropout',
  ],
  dit: ['headDim', 'eps', 'dropout', 'baseSize'],
} as const satisfies {
  [K in NetworkKind]: readonly (keyof Extract<NetworkConfig, { kind: K }>)[];
};

/** All of them: most of a dit's are among the unet2d's. */
export const UNSAID = [...UNSAID_OF.unet2d, 'baseSize'] as const;

/** What is known of a network beside its shapes; shapes have priority. */
export type Hints = Partial<
  Pick<Unet2dConfig, (typeof UNSAID_OF.unet2d)[number]> & Pick<DitConfig, 'baseSize'>
>;

/**
 * The network of a state dict. The norms' batch counters may be missing: PyTorch before 0.4.1 did not save them,
 * and nothing depends on them.
 * @param hints what shapes do not determine; defaults otherwise
 * @throws UsageError naming the first tensor that is missing, unexpected, or of another shape.
 */
export function networkFromShapes(shapes: Shapes, hints: Hints = {}): NetworkConfig {
  const config = guess(shapes, hints);
  const expected = new Map([...stateShapes(buildNetwork(config)), ...ofDiffusers(shapes, config)]);
  for (const [name, shape] of expected) {
    if (name.endsWith('.num_batches_tracked') && !shapes.has(name)) continue;
    const got = dimensions(shapes, name, shape.length);
    if (got.some((size, axis) => size !== shape[axis]))
      throw new UsageError(`${name}: expected the shape ${show(shape)}, got ${show(got)}`);
  }
  for (const name of shapes.keys())
    if (!expected.has(name))
      throw new UsageError(`${printable(name).slice(0, LONGEST)}: no such tensor in this network`);
  return config;
}

/** The network that the shapes imply, if they are those of one. */
function guess(shapes: Shapes, hints: Hints): NetworkConfig {
  if (shapes.has(ANCHORS.unet2d)) return guessUnet2d(shapes, hintsFor('unet2d', hints));
  if (shapes.has(ANCHORS.dit)) return guessDit(shapes, hintsFor('dit', hints));
  return guessSimple(shapes);
}

/** Those of this network; hints may be another network's whole config. */
const hintsFor = (kind: NetworkKind, hints: Hints): Hints =>
  Object.fromEntries(
    UNSAID_OF[kind].flatMap((name) => (hints[name] === undefined ? [] : [[name, hints[name]]])),
  );

/** The network that conv0, the down stages and the time embedding imply. */
function guessSimple(shapes: Shapes): SimpleConfig {
  const [first, channels] = dimensions(shapes, 'conv0.weight', 4);
  const widths = [first!];
  for (let i = 0; i === 0 || shapes.has(`downs.${i}.conv1.weight`); i++)
    widths.push(dimensions(shapes, `downs.${i}.conv1.weight`, 4)[0]!);
  const [timeDim] = dimensions(shapes, 'time_mlp.1.weight', 2);
  const norm = shapes.has('downs.0.bnorm.weight') ? 'shared' : 'separate';
  return {
    kind: 'simple',
    widths,
    channels: imageChannels(ANCHORS.simple, channels),
    timeDim: timeDim!,
    norm,
  };
}

/** The network that the first blocks of each level, the middle and the embeddings imply. */
function guessUnet2d(shapes: Shapes, hints: Hints): Unet2dConfig {
  const [, channels] = dimensions(shapes, ANCHORS.unet2d, 4);
  const blocks = count((i) => shapes.has(`down_blocks.${i}.resnets.0.conv1.weight`));
  const widths = Array.from(
    { length: Math.max(1, blocks) },
    (_, i) => dimensions(shapes, `down_blocks.${i}.resnets.0.conv1.weight`, 4)[0]!,
  );
  const attends = (block: string) => shapes.has(`${block}.attentions.0.to_q.weight`);
  const downAttention = widths.map((_, i) => attends(`down_blocks.${i}`));
  const upAttention = widths.map((_, i) => attends(`up_blocks.${i}`));
  const mid = shapes.has('mid_block.resnets.0.conv1.weight');
  const [projected] = dimensions(shapes, 'down_blocks.0.resnets.0.time_emb_proj.weight', 2);
  const timeScaleShift = projected === 2 * widths[0]! ? 'scale_shift' : 'default';
  const stated = {
    channels: imageChannels(ANCHORS.unet2d, channels),
    widths,
    layers: count((k) => shapes.has(`down_blocks.0.resnets.${k}.conv1.weight`)),
    ...{ downAttention, upAttention, mid },
    // Without a middle nothing shows whether it would have attention; the default is that it does.
    midAttention: !mid || attends('mid_block'),
    timeDim: dimensions(shapes, 'time_embedding.linear_1.weight', 2)[0]!,
    timeScaleShift,
    numClasses: classesOf(shapes),
    ...resampling(shapes, downAttention, upAttention),
  } as const;
  const whole: Unet2dConfig = { ...unet2dDefaults(stated), ...hints, ...stated };
  return {
    ...whole,
    headDim: hints.headDim === undefined ? headDim(shapes, whole) : hints.headDim,
    attentionGroups: attentionGroups(shapes, whole),
  };
}

/** The network that its patches, its blocks and their class embeddings imply. */
function guessDit(shapes: Shapes, hints: Hints): DitConfig {
  const [width, channels, patch] = dimensions(shapes, ANCHORS.dit, 4);
  const widths = [width!];
  const { headDim, ...defaults } = ditDefaults({ widths });
  const { headDim: heads, ...others } = hints;
  return {
    ...{ ...defaults, widths, channels: imageChannels(ANCHORS.dit, channels), patch: patch! },
    depth: Math.max(
      1,
      count((i) => shapes.has(`transformer_blocks.${i}.norm1.linear.weight`)),
    ),
    numClasses: rowsOf(shapes),
    // One that does not divide is another network's.
    headDim: heads && width! % heads === 0 ? heads : headDim,
    ...others,
  };
}

/** Rows of the class embeddings; null without, or with a single row, which tells nothing apart. */
function rowsOf(shapes: Shapes): number | null {
  if (!shapes.has(tableName(0))) return null;
  const [rows] = dimensions(shapes, tableName(0), 2);
  return rows === 1 ? null : rows!;
}

/** What a dit has only in diffusers' files: tables of one row where it has no classes, and rows of a variance. */
function ofDiffusers(shapes: Shapes, config: NetworkConfig): [string, number[]][] {
  if (config.kind !== 'dit') return [];
  const singleClass = config.numClasses === null && shapes.has(tableName(0));
  const [[last, [rows]]] = withVarianceShapes(config);
  return [
    ...(singleClass ? singleClassShapes(config) : []),
    ...(shapes.get(last)?.[0] === rows ? withVarianceShapes(config) : []),
  ];
}

/** Whether levels with attention change resolution by residual blocks; undefined if no such level changes it. */
function resampling(
  shapes: Shapes,
  down: readonly boolean[],
  up: readonly boolean[],
): Partial<Pick<Unet2dConfig, 'downType' | 'upType'>> {
  const type = (block: string, levels: readonly boolean[], part: string) => {
    const level = levels.slice(0, -1).indexOf(true);
    if (level < 0) return undefined;
    const resnet = shapes.has(`${block}.${level}.${part}.0.conv1.weight`);
    return resnet ? ('resnet' as const) : ('conv' as const);
  };
  const downType = type('down_blocks', down, 'downsamplers');
  const upType = type('up_blocks', up, 'upsamplers');
  return { ...(downType && { downType }), ...(upType && { upType }) };
}

function classesOf(shapes: Shapes): Unet2dConfig['numClasses'] {
  if (shapes.has('class_embedding.linear_1.weight')) return 'timestep';
  if (!shapes.has('class_embedding.weight')) return null;
  return dimensions(shapes, 'class_embedding.weight', 2)[0]!;
}

/** Channels per head: the default, unless queries have fewer channels than the image, as when a head does not divide it. */
function headDim(shapes: Shapes, { headDim, widths }: Unet2dConfig): number | null {
  const queries = [...shapes].filter(
    ([name, { length }]) => /\.to_q\.weight$/.test(name) && length === 2,
  );
  const fits = (dim: number) =>
    queries.every(([, [inner, width]]) => Math.floor(width! / dim) * dim === inner);
  if (headDim === null || fits(headDim)) return headDim;
  const largest = Math.max(...widths);
  // Like the default: the largest below, and then what is above.
  const tried = Array.from({ length: largest }, (_, i) => (i < headDim ? headDim - i : i + 1));
  return tried.find(fits) ?? headDim;
}

/** With scale and shift, the middle's attention has a norm only if its groups are given. */
function attentionGroups(shapes: Shapes, unet: Unet2dConfig): number | null {
  if (unet.timeScaleShift === 'default') return unet.attentionGroups;
  const normed = shapes.has('mid_block.attentions.0.group_norm.weight');
  return normed ? (unet.attentionGroups ?? unet.groups) : unet.attentionGroups;
}

function imageChannels(name: string, channels: number | undefined): number {
  if (channels !== undefined && channels >= 1 && channels <= MOST_IMAGE_CHANNELS) return channels;
  throw new UsageError(
    `${name}: expected 1 to ${MOST_IMAGE_CHANNELS} image channels, got ${channels}`,
  );
}

/** How many of 0, 1, … satisfy `holds`, up to the first that does not. */
function count(holds: (i: number) => boolean): number {
  let i = 0;
  while (holds(i)) i++;
  return i;
}

/** The shape of a required tensor of `rank` dimensions. */
function dimensions(shapes: Shapes, name: string, rank: number): readonly number[] {
  const shape = shapes.get(name);
  if (!shape) throw new UsageError(`${name}: expected a tensor with this name, got none`);
  if (shape.length !== rank)
    throw new UsageError(`${name}: expected ${rank} dimensions, got the shape ${show(shape)}`);
  return shape;
}

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
