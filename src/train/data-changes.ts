/** What of a resumed run's images differs from those of its checkpoint: they may have been moved, and others are told of or refused. */
import type { RunConfig } from '../config/config.js';
import { UsageError } from '../errors.js';
import { type Json, runPaths } from '../io/run.js';
import { plural } from '../units.js';
import type { DataState } from './open-data.js';

/** A run on disk, and what it is to become. */
export interface Resumed {
  readonly out: string;
  readonly run: RunConfig;
  readonly config: RunConfig;
}

/** Images elsewhere must be those of the run, and latents those of its autoencoder; its teacher is the same. @throws UsageError naming both places, or the folder */
export function checkMoved({ out, run, config }: Resumed, state: Json, data: DataState): void {
  const differs = differing(state, data);
  if (differs('encoder'))
    throw new UsageError(
      `${runPaths(out).vae}: expected the autoencoder whose latents the run was trained on, got another`,
    );
  if (differs('teacher'))
    throw new UsageError(
      `${runPaths(out).teacher}: expected the teacher that the run was trained by, with its guide, got other weights`,
    );
  const fail = (setting: string, before: string, now: string) => {
    throw new UsageError(
      `${setting}: expected the images of the run in ${out}, which were in ${before}, got others in ${now}, judging by names and sizes`,
    );
  };
  const [before, now] = [run.data, config.data];
  if (before.source !== now.source && (differs('images') || differs('listing')))
    fail('<data>', before.source, now.source);
  const [held, holds] = [before.heldOut, now.heldOut];
  if (!held || !holds || !('source' in held) || !('source' in holds)) return;
  if (held.source !== holds.source && differs('heldOutListing'))
    fail('--held-out', held.source, holds.source);
}

/** What of the data differs from a checkpoint's. One of an older version lacks some of it. */
const differing = (state: Json, data: DataState) => (key: keyof DataState) =>
  key in state && state[key] !== data[key];

/** How the data differ from a checkpoint's. One of an older version describes them in less detail. */
export function dataChanges(state: Json, data: DataState, given: boolean): string[] {
  const texts: string[] = [];
  const differs = differing(state, data);
  if (typeof state.images === 'number' && differs('images'))
    texts.push(
      `the checkpoint was trained on ${plural(state.images, 'image')}, now there are ${data.images}: from here it sees other images`,
    );
  else if (differs('listing'))
    texts.push(
      `the checkpoint was trained on other ${given ? 'images' : 'files, judging by names and sizes'}: from here it sees other images`,
    );
  if (differs('heldOutListing'))
    texts.push(
      'the held-out files have changed, judging by names and sizes: losses before and after are not comparable',
    );
  return texts;
}
