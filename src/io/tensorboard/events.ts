/**
 * TensorBoard's event files: `Event` messages (tensorflow/core/util/event.proto) as TFRecords. One file per run, beside its
 * metrics.jsonl.
 */
import { statSync } from 'node:fs';
import { UsageError } from '../../errors.js';
import { AppendLog } from '../append-log.js';
import { systemReason, writeAtomically, writeFully } from '../atomic.js';
import { double, field, float, integer, integerOf } from './protobuf.js';
import { readRecords, record } from './records.js';

/** Fields of `Event`. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 } as const;
/** Fields of `Summary`, of its values, and of their contents. */
const SUMMARY = { value: 1 } as const;
const VALUE = { tag: 1, simpleValue: 2, image: 4, tensor: 8, metadata: 9 } as const;
const IMAGE = { height: 1, width: 2, colorspace: 3, encoded: 4 } as const;
const TENSOR = { dtype: 1, shape: 2, strings: 8 } as const;
const METADATA = { plugin: 1 } as const;
const PLUGIN = { name: 1 } as const;

const VERSION = 'brain.Event:2';
/** `DT_STRING` in tensorflow's DataType. */
const STRING = 7;

/** Appends to a run's event file. */
export class EventLog extends AppendLog {
  /**
   * Opens the file for appending. A new one starts with its version, and with `config` as text.
   * @throws RunError; UsageError if it is not a plain file
   */
  static open(path: string, config: string): EventLog {
    const log = new EventLog(path);
    if (!log.isEmpty()) return log;
    log.add(0, field(EVENT.fileVersion, VERSION));
    log.text('config', config);
    return log;
  }

  /** Numbers after a step, by name; those that are not finite are written unchanged. @throws RunError */
  scalars(step: number, values: Iterable<readonly [name: string, value: number]>): void {
    const summary = [...values].map(([name, value]) =>
      field(SUMMARY.value, field(VALUE.tag, name), float(VALUE.simpleValue, value)),
    );
    if (summary.length > 0) this.add(step, field(EVENT.summary, ...summary));
  }

  /** A picture after a step. @throws RunError */
  png(step: number, name: string, bytes: Buffer): void {
    // A PNG starts with its header, which has width and height at 16.
    const image = field(
      VALUE.image,
      integer(IMAGE.height, bytes.readUInt32BE(20)),
      integer(IMAGE.width, bytes.readUInt32BE(16)),
      integer(IMAGE.colorspace, 3),
      field(IMAGE.encoded, bytes),
    );
    this.add(step, field(EVENT.summary, field(SUMMARY.value, field(VALUE.tag, name), image)));
  }

  /** A text, which TensorBoard renders as Markdown: it is written as code. */
  private text(name: string, text: string): void {
    const code = `    ${text.replaceAll('\n', '\n    ')}`;
    const tensor = field(
      VALUE.tensor,
      integer(TENSOR.dtype, STRING),
      field(TENSOR.shape),
      field(TENSOR.strings, code),
    );
    const metadata = field(VALUE.metadata, field(METADATA.plugin, field(PLUGIN.name, 'text')));
    const value = field(SUMMARY.value, field(VALUE.tag, name), tensor, metadata);
    this.add(0, field(EVENT.summary, value));
  }

  private add(step: number, content: Buffer): void {
    const time = double(EVENT.wallTime, Date.now() / 1000);
    this.write(record(Buffer.concat([time, integer(EVENT.step, step), content])));
  }
}

/** Whether a run writes events. */
export const hasEvents = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * Drops the events after `step`, as a resume from that step's checkpoint requires, and a torn record.
 * @throws UsageError if it is not a plain file; RunError if it cannot be written
 */
export async function cutBackEvents(path: string, step: number): Promise<void> {
  if (!hasEvents(path)) return;
  await writeAtomically(path, async (file) => {
    try {
      for await (const event of readRecords(path))
        if (integerOf(event, EVENT.step) <= step) await writeFully(file, record(event));
    } catch (error) {
      const reason = systemReason(error);
      if (reason === undefined) throw error;
      throw new UsageError(`${path}: cannot be read: ${reason}`, { cause: error });
    }
  });
}
