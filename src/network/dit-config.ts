import { UsageError } from '../errors.js';

/**
 * diffusers' `DiTTransformer2DModel`: the diffusion transformer of Peebles & Xie (2023). Patches of the image are
 * tokens; blocks of attention and two linear layers are modulated by the timestep and the class (adaLN-Zero).
 */
export interface DitConfig {
  readonly kind: 'dit';
  /** Channels of the image, or of latents. */
  readonly channels: number;
  /** One number: channels of a token, `num_attention_heads` times `attention_head_dim`. */
  readonly widths: readonly number[];
  /** Blocks of a `dit` (`num_layers`). Default 6. E.g. `depth: 12`. */
  readonly depth: number;
  /** Side of a `dit`'s patch in pixels (`patch_size`); each patch is a token. Default 2. E.g. `patch: 4`. */
  readonly patch: number;
  /**
   * Size of the images whose patches have the positions 0, 1, … in a `dit` (`sample_size`); those of other sizes are stretched to
   * the same range. Null: that of `size`. Default null. E.g. `baseSize: 32`.
   */
  readonly baseSize: number | null;
  /** Channels per attention head, `attention_head_dim`. */
  readonly headDim: number;
  /** Added to the variance in each block's second norm, `norm_eps`; the other norms have 1e-6. */
  readonly eps: number;
  /** Dropout probability after attention and between a block's two linear layers, in training. */
  readonly dropout: number;
  /** Rows of the class embeddings: `num_embeds_ada_norm` and one for no class; null without classes. */
  readonly numClasses: number | null;
}

/** Largest default of the channels of a head. */
const USUAL_HEAD_DIM = 64;

/** What follows from the rest if it is not given. */
export function ditDefaults({ widths }: Pick<DitConfig, 'widths'>): Omit<DitConfig, 'widths'> {
  return {
    kind: 'dit',
    channels: 3,
    depth: 6,
    patch: 2,
    baseSize: null,
    headDim: usualHeadDim(widths[0] ?? 1),
    eps: 1e-5,
    dropout: 0,
    numClasses: null,
  };
}

/** The largest divisor of the width up to 64. */
function usualHeadDim(width: number): number {
  for (let dim = Math.min(USUAL_HEAD_DIM, width); dim > 1; dim--) if (width % dim === 0) return dim;
  return 1;
}

/** Fields that checkDit may name, by their flags unless `nameOf` is given. */
const FLAGS = {
  widths: '--widths',
  depth: '--depth',
  patch: '--patch',
  baseSize: '--base-size',
  headDim: '--head-dim',
  eps: '--norm-eps',
  dropout: '--dropout',
  numClasses: '--num-classes',
} as const satisfies Partial<Record<keyof DitConfig, string>>;

export type CheckedDitField = keyof typeof FLAGS;

/**
 * @param nameOf the user's name of a field
 * @throws UsageError naming the field that is invalid or does not fit the others
 */
export function checkDit(
  c: DitConfig,
  nameOf: (field: CheckedDitField) => string = (field) => FLAGS[field],
): void {
  const refuse = (field: CheckedDitField, expected: string, got: unknown): never => {
    throw new UsageError(`${nameOf(field)}: expected ${expected}, got ${String(got)}`);
  };
  const whole = (field: 'depth' | 'patch' | 'headDim' | 'numClasses', least: number): void => {
    if (!Number.isInteger(c[field]) || Number(c[field]) < least)
      refuse(field, `a whole number of ${least} or more`, c[field]);
  };
  const [width = 0] = c.widths;
  if (c.widths.length !== 1) refuse('widths', 'one width, that of a token', c.widths);
  // Two coordinates, each as sines and cosines.
  if (width % 4 !== 0) refuse('widths', 'a multiple of 4', width);
  whole('depth', 1);
  whole('patch', 1);
  if (c.baseSize !== null && !(c.baseSize >= c.patch))
    refuse('baseSize', `${c.patch} or more, the size of a patch`, c.baseSize);
  whole('headDim', 1);
  if (width % c.headDim !== 0) refuse('headDim', `a divisor of the width ${width}`, c.headDim);
  // With one class alone nothing is told: diffusers' table of one row is read as none.
  if (c.numClasses !== null) whole('numClasses', 2);
  if (!(c.dropout >= 0 && c.dropout < 1))
    refuse('dropout', 'a number from 0 to below 1', c.dropout);
  if (!(c.eps > 0)) refuse('eps', 'a number above 0', c.eps);
}
