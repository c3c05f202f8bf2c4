/** A run's numbers and samples as TensorBoard's events. */
import { readFile } from 'node:fs/promises';
import type { RunConfig } from '../config/config.js';
import type { StepMetrics } from '../io/metrics.js';
import type { RunPaths } from '../io/run.js';
import { EventLog, hasEvents } from '../io/tensorboard/events.js';
import type { TrainOptions } from './options.js';

/** The events of a run that has some, or is asked for them; null for others. @throws RunError */
export function openEvents(
  { tensorboard = false }: TrainOptions,
  { events }: RunPaths,
  config: RunConfig,
): EventLog | null {
  if (!tensorboard && !hasEvents(events)) return null;
  return EventLog.open(events, JSON.stringify(config, null, 2));
}

/** What a step's line in metrics.jsonl says; TensorBoard groups names by what stands before the slash. */
export function stepScalars(metrics: StepMetrics): [name: string, value: number][] {
  const { loss, lr, imagesPerSecond, ms, q0, q1, q2, q3 } = metrics;
  const quarters = Object.entries({ q0, q1, q2, q3 }).flatMap(
    ([name, value]): [string, number][] =>
      value === undefined ? [] : [[`loss by quarter/${name}`, value]],
  );
  return [
    ['loss/train', loss],
    ...quarters,
    ['rate/learning rate', lr],
    ['speed/images per second', imagesPerSecond],
    ...Object.entries(ms).map(([part, value]): [string, number] => [`milliseconds/${part}`, value]),
  ];
}

export const heldOutScalars = (loss: number): [name: string, value: number][] => [
  ['loss/held out', loss],
];

/** The grid of samples at `path`. @throws RunError when it cannot be written; the system's error when it cannot be read */
export async function addSamples(events: EventLog, step: number, path: string): Promise<void> {
  events.png(step, 'samples', await readFile(path));
}
