import { DEFAULT_PRESETS, PRESET_NAMES, PRESETS, type Preset } from '../config/presets.js';
import type { OwnShape } from '../data/own-shape.js';
import type { NetworkKind } from '../network/network.js';
import { plural } from '../units.js';

/** Advice about presets when none is named: which one the run uses, and which would draw better pictures. */

/** Images of this size and above are worth a preset of 64 pixels. */
const LARGE = 48;

export interface Given {
  /** The network that is trained. */
  readonly kind: NetworkKind;
  /** The data's name, and the number of images. */
  readonly name: string;
  readonly count: number;
  /** The shape of the images; null if unknown. */
  readonly own: OwnShape | null;
  /** Length of the run in minutes; null if it is not given. */
  readonly minutes: number | null;
  /** Number of threads. The table's minutes are for two. */
  readonly threads: number;
}

export function advice({ kind, name, count, own, minutes, threads }: Given): string[] {
  const taken = DEFAULT_PRESETS[kind];
  const first = `preset  ${taken}, since none is named: ${PRESETS[taken].about}`;
  if (!own) return [first];
  const fitting = fittingPresets(own);
  const what = `${plural(count, own.channels === 1 ? 'grey image' : 'image')} as ${own.width}x${own.height}`;
  const best =
    minutes === null
      ? fitting.map(([preset, from]) => `--preset ${preset} (${from} minutes or more)`).join(', ')
      : `--preset ${bestOf(fitting, (minutes * threads) / 2)} in ${minutes} min`;
  const cores = minutes === null ? ' on two cores; --minutes N trains for N minutes' : '';
  return [first, `        ${name}, ${what}: best pictures: ${best}${cores}`];
}

type Fitting = readonly [preset: string, minutes: number];

/** The recipes for such images, by the minutes from which they are the best. */
function fittingPresets({ width, height, channels }: OwnShape): Fitting[] {
  const large = Math.min(width, height) >= LARGE;
  const ofColours = PRESET_NAMES.flatMap((name): Fitting[] => {
    const { model, from }: Preset = PRESETS[name];
    if (from === undefined || model.channels !== channels) return [];
    return large || model.size < LARGE ? [[name, from]] : [];
  });
  return ofColours.sort(([, a], [, b]) => a - b);
}

/** The last one for which there is enough time; the quickest if there is little. */
const bestOf = (fitting: readonly Fitting[], minutes: number): string =>
  (fitting.findLast(([, from]) => from <= minutes) ?? fitting[0]!)[0];
