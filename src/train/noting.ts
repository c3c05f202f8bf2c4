import { NotesLog } from '../io/notes.js';
import { runPaths } from '../io/run.js';
import type { TrainEvent, TrainOptions } from './options.js';

/** Passes on a run's events, and writes its notes and warnings to its folder once its first step is taken. */
export function noting({ out, onEvent }: TrainOptions): (event: TrainEvent) => void {
  const log = new NotesLog(runPaths(out).notes);
  let step = 0;
  return (event) => {
    if ('step' in event) {
      step = event.step;
      log.begin();
    } else if (event.kind !== 'loading') log.add({ step, kind: event.kind, text: event.text });
    onEvent?.(event);
  };
}
