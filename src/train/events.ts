/** A run's metrics and samples as TensorBoard's events. */
import { readFile } from 'node:fs/promises';
import type { RunConfig } from '../config/config.js';
import { QUARTERS, type StepMetrics } from '../io/metrics.js';
import type { RunPaths } from '../io/run.js';
import { EventLog, hasEvents } from '../io/tensorboard/events.js';
import type { TrainOptions } from './options.js';

/** The event log of a run that has one, or is asked for one; else null. @throws RunError */
export function openEvents(
  { tensorboard = false }: TrainOptions,
  { events }: RunPaths,
  config: RunConfig,
): EventLog | null {
  if (!tensorboard && !hasEvents(events)) return null;
  return EventLog.open(events, JSON.stringify(config, null, 2));
}

/** The contents of a step's line in metrics.jsonl; TensorBoard groups names by the part before the slash. */
export function stepScalars(metrics: StepMetrics): [name: string, value: number][] {
  const { loss, lr, imagesPerSecond, ms } = metrics;
  const quarters = QUARTERS.flatMap((name): [string, number][] => {
    const value = metrics[name];
    return value === undefined ? [] : [[`loss by quarter/${name}`, value]];
  });
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

/** Adds the grid of samples at `path`. @throws RunError if it cannot be written; the system's error if it cannot be read */
export async function addSamples(events: EventLog, step: number, path: string): Promise<void> {
  events.png(step, 'samples', await readFile(path));
}
