import { classesInWords } from '../config/classes.js';
import type { RunConfig } from '../config/config.js';
import { imagesOfStep, outerOf } from '../config/replicas.js';
import { teacherInWords } from '../config/teacher.js';
import type { Trainer } from '../contracts/trainer.js';
import type { Note } from '../io/notes.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
import { bytes, grouped, plural } from '../units.js';

/** Steps after which a run can tell how long an epoch takes: the first ones are slower. */
const WARM_UP = 3;
const SLOW_EPOCH_MINUTES = 60;

/** A message, and what it says for programs. */
type Said = Pick<Note, 'text' | 'facts'>;

/** A run's messages before its first step; `between` is its memory between steps, in bytes. */
export function header(config: RunConfig, trainer: Trainer, between: number): Said[] {
  const { model, training, teacher, sampling } = config;
  const parameters = grouped(countParameters(buildNetwork(model)));
  const [average] = training.ema;
  const memory = [bytes(trainer.memoryBytes), `for ${batches(training)}`] as const;
  const say = (text: string): Said => ({ text });
  return [
    say(
      `model   ${model.kind === 'simple' ? '' : `${model.kind}, `}widths ${model.widths.join(',')}, ${model.size}x${model.size}x${model.channels}, ${parameters} parameters`,
    ),
    ...(teacher
      ? [say(`teacher ${teacherInWords(teacher)}; learned in ${plural(sampling!.steps!, 'step')}`)]
      : []),
    say(`device  ${trainer.unet.description} (${config.chosen?.why ?? ''})`),
    {
      text: `memory  ${memory.join(' ')}; ${training.syncEvery === null ? 'between' : 'replicas, and between'} steps up to ${bytes(between)} more; Node and the images come on top`,
      facts: { memory },
    },
    ...(config.data.classes ? [say(`classes ${classesInWords(config)}`)] : []),
    ...(training.syncEvery === null ? [] : [say(roundsInWords(training))]),
    ...(average === undefined
      ? []
      : [say(`weights samples and held-out loss take the average (EMA) of decay ${average}`)]),
  ];
}

const batches = ({ batch, accumulate }: RunConfig['training']): string =>
  accumulate === 1 ? `batches of ${batch}` : `batches of ${batch}, ${accumulate} a step`;

function roundsInWords(training: RunConfig['training']): string {
  const { lr, momentum } = outerOf(training);
  const { replicas, syncEvery } = training;
  return `rounds  ${plural(replicas, 'replica')} of ${plural(syncEvery!, 'step')} each, then an outer step of ${lr} with momentum ${momentum}`;
}

/** Reports once, after a few steps, how long an epoch takes. */
export class PaceReport {
  private readonly config: RunConfig;
  private readonly stepsPerEpoch: number;
  private readonly total: number;

  constructor(config: RunConfig, stepsPerEpoch: number, total: number) {
    this.config = config;
    this.stepsPerEpoch = stepsPerEpoch;
    this.total = total;
  }

  /** @param steps steps of this call so far */
  after(steps: number, imagesPerSecond: number): string | null {
    if (steps !== WARM_UP || this.total <= WARM_UP) return null;
    const minutes =
      (this.stepsPerEpoch * imagesOfStep(this.config.training)) / imagesPerSecond / 60;
    const text = `pace    an epoch of ${plural(this.stepsPerEpoch, 'step')} takes about ${duration(minutes)}`;
    return minutes < SLOW_EPOCH_MINUTES ? text : `${text}; --preset minutes-32 takes minutes`;
  }
}

function duration(minutes: number): string {
  if (minutes < 2) return `${Math.max(1, Math.round(minutes * 60))} s`;
  return minutes < 120 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}
