/**
 * Messages name settings by their flags, and are written once for the command line and for programs. Here they are respelt:
 * programs get `sample.steps`, not `--sample-steps`. Every function that the library exports uses this.
 */
import { autoencoderShapeFlags } from '../config/autoencoder-training.js';
import { computingFlags } from '../config/computing.js';
import { diffusionFlags, lossFlag, objectiveFlag } from '../config/diffusion.js';
import {
  comparisonFlags,
  EVALUATION_NAMES,
  featureFlags,
  likelihoodFlags,
} from '../config/evaluation.js';
import { modelFlags, modelGroups } from '../config/model.js';
import { FIELD_FLAGS } from '../config/network-fields.js';
import { redrawFlags } from '../config/redraw.js';
import { camel, respellFlags } from '../config/respell.js';
import { SAMPLING_NAMES, samplingFlags } from '../config/sampling.js';
import { targetFlags } from '../config/targets.js';
import { teacherFlags } from '../config/teacher.js';
import { dataFlags, trainingFlags } from '../config/training.js';
import { weightsFlags } from '../config/which-weights.js';
import { CheckError, Interrupted, RunError, ShapeError, UsageError } from '../errors.js';

/** A program's name for a setting: the function that receives it, or a function that builds the name. */
export type Place = string | ((name: string) => string);

/** Flags whose settings are not their names in camelCase. */
const OTHERWISE: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.entries({ ...SAMPLING_NAMES, ...EVALUATION_NAMES, ...FIELD_FLAGS }).map(
    ([name, flag]) => [flag, name],
  ),
  ['require', 'requireCuda'],
  // The flag of two fields of files, which a program has one setting for, too.
  ['attention', 'attention'],
]);

const GROUPS = [
  ...[modelFlags, ...Object.values(modelGroups), diffusionFlags, objectiveFlag, lossFlag],
  ...[
    targetFlags,
    dataFlags,
    trainingFlags,
    computingFlags,
    samplingFlags,
    redrawFlags,
    weightsFlags,
    teacherFlags,
  ],
  ...[comparisonFlags, featureFlags, likelihoodFlags, autoencoderShapeFlags],
];

/** Flags that may occur in messages to programs. */
const KNOWN = new Set([
  ...GROUPS.flatMap((group) => Object.keys(group)),
  ...['out', 'resume', 'count', 'format', 'shard', 'workers', 'queue'],
]);

/** `sample-steps` → `steps`. */
export const settingOf = (flag: string): string => OTHERWISE[flag] ?? camel(flag);

/** The text with settings in programs' spelling. */
export function respell(text: string, place: Place): string {
  const placed = typeof place === 'string' ? (name: string) => `${place}.${name}` : place;
  const plain = text
    .replace(
      /^To continue: haze (?:train|autoencoder) .*$/m,
      'To continue: train with resume: true',
    )
    .replaceAll('--require cuda', '--require');
  return respellFlags(plain, (flag) => (KNOWN.has(flag) ? settingOf(flag) : undefined), placed);
}

/** Runs work for a program. @throws the work's errors, respelt */
export async function asProgram<T>(place: Place, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw respelt(error, place);
  }
}

/** The same synchronously. */
export function asProgramNow<T>(place: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw respelt(error, place);
  }
}

/** The same for an async iterable. */
export async function* asProgramEach<T, R>(
  place: Place,
  items: AsyncGenerator<T, R, undefined>,
): AsyncGenerator<T, R, undefined> {
  try {
    return yield* items;
  } catch (error) {
    throw respelt(error, place);
  }
}

/** Passes events on to a program, with respelt texts. */
export function telling<E extends { readonly kind: string }>(
  place: Place,
  onEvent: ((event: E) => void) | undefined,
): { onEvent?: (event: E) => void } {
  if (!onEvent) return {};
  return {
    onEvent: (event) =>
      onEvent(
        'text' in event && typeof event.text === 'string'
          ? { ...event, text: respell(event.text, place) }
          : event,
      ),
  };
}

const OURS = [UsageError, RunError, CheckError, Interrupted, ShapeError];

function respelt(error: unknown, place: Place): unknown {
  const own = OURS.find((kind) => error instanceof kind);
  if (!own || !(error instanceof Error)) return error;
  const { message } = error;
  error.message = respell(message, place);
  if (error.stack) error.stack = error.stack.replace(message, () => error.message);
  return error;
}
