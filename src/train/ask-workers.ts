/** Training through a queue, loaded and connected lazily. */
import type { RunConfig } from '../config/config.js';
import type { Trainer } from '../contracts/trainer.js';
import { UsageError } from '../errors.js';
import type { Connection } from '../queue/connect.js';
import type { TrainOptions } from './options.js';
import type { QueuedOptions } from './queued-trainer.js';
import { ReplicatedTrainer } from './replicated-trainer.js';

/** @throws UsageError for a run that workers cannot train */
export function checkQueued({ training, computing }: RunConfig): void {
  if (training.syncEvery === null)
    throw new UsageError(
      '--queue: workers train the replicas of a round; give --replicas and --sync-every, too',
    );
  for (const [name, got] of [
    ['--device', computing.device],
    ['--arithmetic', computing.arithmetic],
  ] as const)
    if (got !== 'wasm')
      throw new UsageError(
        `${name}: expected wasm with --queue, whose bits are the same everywhere, got ${got}`,
      );
}

/** Connects to the run's Redis, if it has one. @throws like `connect` */
export async function connectQueue({
  config,
  queue = null,
  minutes,
  signal,
  onEvent,
}: TrainOptions): Promise<Connection | null> {
  if (queue === null) return null;
  checkQueued(config);
  if (minutes !== undefined)
    throw new UsageError('--minutes: measures this machine alone; with --queue give --steps');
  const { connect } = await import('../queue/connect.js');
  const { parseAddress } = await import('../queue/address.js');
  const onNote = (text: string) => onEvent?.({ kind: 'note', text });
  return connect('--queue', parseAddress('--queue', queue), { onNote, signal });
}

/** Opens the trainer whose replicas are trained by workers. */
export async function askWorkers(trainer: Trainer, options: QueuedOptions): Promise<Trainer> {
  if (!(trainer instanceof ReplicatedTrainer))
    throw new UsageError(
      '--queue: workers train the replicas of a round, got a run without rounds',
    );
  const { QueuedTrainer } = await import('./queued-trainer.js');
  return QueuedTrainer.open(trainer, options);
}
