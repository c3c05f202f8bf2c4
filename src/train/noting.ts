import { NotesLog } from '../io/notes.js';
import { runPaths } from '../io/run.js';
import { plural } from '../units.js';
import type { TrainEvent, TrainOptions } from './options.js';

/** Passes on a run's events, and writes its notes and warnings to its folder once its first step is taken. */
export interface Noting {
  readonly onEvent: (event: TrainEvent) => void;
  /** Keeps what ended the run before its last step. */
  ended(error: unknown): void;
}

/** A length in epochs is known in steps once the images are counted. */
const lengthOf = (totalSteps: number) => ({
  text: `length  ${plural(totalSteps, 'step')}`,
  facts: { totalSteps },
});

export function noting({ out, onEvent }: TrainOptions): Noting {
  const log = new NotesLog(runPaths(out).notes);
  let step = 0;
  let total: number | undefined;
  return {
    onEvent: (event) => {
      if (event.kind === 'step' && event.totalSteps !== total) {
        total = event.totalSteps;
        log.add({ step, kind: 'note', ...lengthOf(total) });
      }
      if ('step' in event) {
        step = event.step;
        log.begin();
      } else if (event.kind !== 'loading' && event.kind !== 'encoding') log.add({ step, ...event });
      onEvent?.(event);
    },
    ended: (error) => {
      const text = error instanceof Error ? error.message : String(error);
      log.add({ step, kind: 'ended', text });
    },
  };
}
