import { UsageError } from '../errors.js';

/**
 * The U-Net of diffusers' `UNet2DModel`: group norms, SiLU, residual blocks, self-attention (Ho et al., 2020; Dhariwal &
 * Nichol, 2021). Names and numbers are those of the class.
 */
export interface Unet2dConfig {
  readonly kind: 'unet2d';
  /** Image channels, of input and output: 1 (grey), 3 (RGB), or those of latents. */
  readonly channels: number;
  /** Channels of each level (`block_out_channels`). */
  readonly widths: readonly number[];
  /** Residual blocks per level on the way down; one more on the way up (`layers_per_block`). Default 2. E.g. `layers: 1`. */
  readonly layers: number;
  /** Whether the blocks of a level have attention: on the way down, and on the way up in execution order. */
  readonly downAttention: readonly boolean[];
  readonly upAttention: readonly boolean[];
  /** Whether there is a middle (`mid_block_type`). Default true. E.g. `mid: false`. */
  readonly mid: boolean;
  /** Whether the middle has attention (`add_attention`). Default true. E.g. `midAttention: false`. */
  readonly midAttention: boolean;
  /** Divisor of the residual sums in the middle (`mid_block_scale_factor`). Default 1. E.g. `midScale: 1.5`. */
  readonly midScale: number;
  /** Channels per attention head; null: one head as wide as the level (`attention_head_dim`). */
  readonly headDim: number | null;
  /** Groups of a group norm (`norm_num_groups`). Default the largest divisor of all widths up to 32. E.g. `groups: 8`. */
  readonly groups: number;
  /** Groups of attention's norms (`attn_norm_num_groups`). Default `groups`. E.g. `attentionGroups: 4`. */
  readonly attentionGroups: number | null;
  /** Added to the variance in norms (`norm_eps`). Default 1e-5. E.g. `eps: 1e-6`. */
  readonly eps: number;
  /** Length of the time embedding (`time_embedding_dim`). */
  readonly timeDim: number;
  /** Cosines first in the sinusoids of timesteps (`flip_sin_to_cos`). Default true. E.g. `flipSinToCos: false`. */
  readonly flipSinToCos: boolean;
  /** Subtracted from the number of their frequencies (`freq_shift`). Default 0. E.g. `freqShift: 1`. */
  readonly freqShift: number;
  /**
   * How blocks use the time embedding: added, or as a scale and a shift (`resnet_time_scale_shift`). Default `default`.
   * E.g. `timeScaleShift: 'scale_shift'`.
   */
  readonly timeScaleShift: 'default' | 'scale_shift';
  /** The network reads 2x − 1 (`center_input_sample`). Default false. E.g. `centerInput: true`. */
  readonly centerInput: boolean;
  /**
   * `downsample_padding` of a 3x3 convolution of stride 2: 1 on all sides, or with 0 only right and bottom. Default 1.
   * E.g. `downPadding: 0`.
   */
  readonly downPadding: 0 | 1;
  /**
   * How levels with attention halve the resolution; the others always use a convolution (`downsample_type`). Default `conv`.
   * E.g. `downType: 'resnet'`.
   */
  readonly downType: 'conv' | 'resnet';
  /** How they double it (`upsample_type`). Default `conv`. E.g. `upType: 'resnet'`. */
  readonly upType: 'conv' | 'resnet';
  /**
   * Number of classes, `timestep` for class numbers that are embedded like timesteps, or none. Default none, or those of
   * `classes`. E.g. `numClasses: 10`.
   */
  readonly numClasses: number | 'timestep' | null;
  /** Dropout probability within a block, in training. Default 0. E.g. `dropout: 0.1`. */
  readonly dropout: number;
}

/**
 * Defaults: the class's own, except that groups and heads fit the widths, and only the blocks
 * of the last level have attention.
 */
export function unet2dDefaults({
  widths,
  ...stated
}: Pick<Unet2dConfig, 'widths'> & Partial<Omit<Unet2dConfig, 'kind'>>): Unet2dConfig {
  const last = widths.map((_, i) => i === widths.length - 1);
  const { downAttention = last, upAttention = [...downAttention].reverse() } = stated;
  const { mid = true, midAttention = true } = stated;
  const attending = attendingWidths({ widths, downAttention, upAttention, mid, midAttention });
  return {
    kind: 'unet2d',
    channels: 3,
    widths,
    layers: 2,
    downAttention,
    upAttention,
    mid,
    midAttention,
    midScale: 1,
    headDim: largestDivisor(attending, 8),
    groups: largestDivisor(widths, 32),
    attentionGroups: null,
    eps: 1e-5,
    timeDim: 4 * (widths[0] ?? 0),
    flipSinToCos: true,
    freqShift: 0,
    timeScaleShift: 'default',
    centerInput: false,
    downPadding: 1,
    downType: 'conv',
    upType: 'conv',
    numClasses: null,
    dropout: 0,
  };
}

/** The largest number up to `most` that divides all of a list. */
export function largestDivisor(list: readonly number[], most: number): number {
  for (let divisor = most; divisor > 1; divisor--)
    if (list.every((n) => n % divisor === 0)) return divisor;
  return 1;
}

/**
 * Which levels have images of one of these sizes.
 * @throws UsageError naming a size that no level has.
 */
export function attendingLevels(
  widths: readonly number[],
  size: number,
  sides: readonly number[],
): boolean[] {
  const levels = widths.map((_, i) => size / 2 ** i);
  const wrong = sides.find((side) => !levels.includes(side));
  if (wrong !== undefined)
    throw new UsageError(
      `--attention: expected image sizes of levels, which are ${levels.join(', ')}, got ${wrong}`,
    );
  return levels.map((side) => sides.includes(side));
}

/** Fields that checkUnet2d may name, by their flags unless `nameOf` is given. */
const FLAGS = {
  widths: '--widths',
  downAttention: 'down blocks',
  upAttention: 'up blocks',
  layers: '--layers-per-block',
  groups: '--groups',
  attentionGroups: '--attention-groups',
  timeDim: '--time-dim',
  headDim: '--head-dim',
  numClasses: '--num-classes',
  dropout: '--dropout',
  eps: '--norm-eps',
  midScale: '--mid-scale',
  freqShift: '--freq-shift',
} satisfies Partial<Record<keyof Unet2dConfig, string>>;

export type CheckedField = keyof typeof FLAGS;

/** @throws UsageError naming, by `nameOf`, the invalid option. */
export function checkUnet2d(
  c: Unet2dConfig,
  nameOf: (field: CheckedField) => string = (field) => FLAGS[field],
): void {
  const refuse = (field: CheckedField, expected: string, got: unknown): never => {
    throw new UsageError(`${nameOf(field)}: expected ${expected}, got ${String(got)}`);
  };
  const whole = (field: CheckedField, value: unknown): void => {
    if (!Number.isInteger(value) || Number(value) < 1)
      refuse(field, 'a whole number of 1 or more', value);
  };
  const levels = c.widths.length;
  if (levels === 0) refuse('widths', 'one or more widths', 'none');
  for (const field of ['downAttention', 'upAttention'] as const)
    if (c[field].length !== levels) refuse(field, `${levels}, one for each width`, c[field].length);
  whole('layers', c.layers);
  whole('groups', c.groups);
  whole('timeDim', c.timeDim);
  if (c.headDim !== null) whole('headDim', c.headDim);
  if (c.attentionGroups !== null) whole('attentionGroups', c.attentionGroups);
  if (typeof c.numClasses === 'number') whole('numClasses', c.numClasses);
  if (!(c.dropout >= 0 && c.dropout < 1))
    refuse('dropout', 'a number from 0 to below 1', c.dropout);
  if (!(c.eps > 0 && Number.isFinite(c.eps))) refuse('eps', 'a number above 0', c.eps);
  if (!(c.midScale > 0 && Number.isFinite(c.midScale)))
    refuse('midScale', 'a number above 0', c.midScale);
  const half = c.widths[0]! / 2;
  if (!Number.isInteger(half)) refuse('widths', 'an even first width', c.widths[0]);
  if (half - c.freqShift <= 0)
    refuse('freqShift', `a number below ${half}, half of the first width`, c.freqShift);
  const narrowest = Math.min(...attendingWidths(c));
  if (c.headDim !== null && c.headDim > narrowest)
    refuse('headDim', `at most the ${narrowest} channels of a level with attention`, c.headDim);
  for (const { layer, outputs } of groupedWidths(c)) {
    const own = layer === 'attention' && c.attentionGroups !== null;
    const field = own ? 'attentionGroups' : 'groups';
    if (outputs % c[field]! !== 0)
      refuse(field, 'a divisor of all normalised channels', `${c[field]} for ${outputs}`);
  }
}

/** The channels of the levels with attention, including the middle. */
const attendingWidths = (
  c: Pick<Unet2dConfig, 'widths' | 'downAttention' | 'upAttention' | 'mid' | 'midAttention'>,
): number[] =>
  c.widths.filter(
    (_, i) =>
      c.downAttention[i] ||
      c.upAttention[c.widths.length - 1 - i] ||
      (c.mid && c.midAttention && i === c.widths.length - 1),
  );

/** The levels on the way up, in execution order, with the channels that each of their blocks reads: a concatenation. */
export function upLevels({ widths, layers }: Unet2dConfig): { width: number; inputs: number[] }[] {
  const up = [...widths].reverse();
  return up.map((width, i) => {
    const below = up[i - 1] ?? width;
    const skip = up[i + 1] ?? width;
    const inputs = times(
      layers + 1,
      (k) => (k === 0 ? below : width) + (k === layers ? skip : width),
    );
    return { width, inputs };
  });
}

/** The channels of group norms. */
function groupedWidths(c: Unet2dConfig): { layer: 'block' | 'attention'; outputs: number }[] {
  const block = (outputs: number) => ({ layer: 'block' as const, outputs });
  const middle = { layer: 'attention' as const, outputs: c.widths.at(-1)! };
  return [
    ...c.widths.map(block),
    ...upLevels(c).flatMap(({ inputs }) => inputs.map(block)),
    ...(c.mid && c.midAttention ? [middle] : []),
  ];
}

export const times = <T>(count: number, make: (k: number) => T): T[] =>
  Array.from({ length: count }, (_, k) => make(k));
