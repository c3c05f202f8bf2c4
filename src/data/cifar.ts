/**
 * CIFAR-10's binary version: records of one label byte and 3072 pixel bytes, the red, green and blue planes
 * of a 32x32 picture in turn (https://www.cs.toronto.edu/~kriz/cifar.html).
 */
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../errors.js';
import type { Source } from './source.js';

const SIDE = 32;
const RECORD = 1 + 3 * SIDE * SIDE;
const CLASSES = 10;

/** CIFAR-100 has two label bytes. */
const RECORD_100 = RECORD + 1;

/** A folder that holds `data_batch_*.bin`, all of them in order; undefined for another folder. */
export async function openCifarFolder(folder: string): Promise<Source | undefined> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const batches = names.filter((name) => /^data_batch_\d+\.bin$/.test(name)).sort();
  if (batches.length === 0) return undefined;
  const files = batches.map((name) => path.join(folder, name));
  const counts = await Promise.all(files.map((file) => countRecords(file)));
  return source(folder, files, counts);
}

/**
 * One batch file (`.bin`); undefined for a file of another name.
 * @throws UsageError when the file is not made of CIFAR-10 records.
 */
export async function openCifar(file: string): Promise<Source | undefined> {
  if (!/\.bin$/i.test(file)) return undefined;
  return source(file, [file], [await countRecords(file)]);
}

async function countRecords(file: string): Promise<number> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${file}: cannot be opened (${error.code ?? error.message})`);
  });
  try {
    const { size } = await handle.stat();
    if (size === 0) throw new UsageError(`${file}: the file is empty`);
    if (size % RECORD !== 0)
      throw new UsageError(
        `${file}: CIFAR-10 records are ${RECORD} bytes each, got ${size} bytes, which is not a multiple` +
          (size % RECORD_100 === 0 ? ' (CIFAR-100 is not supported)' : ''),
      );
    const label = (await handle.read(Buffer.alloc(1), 0, 1, 0)).buffer[0]!;
    if (label >= CLASSES)
      throw new UsageError(
        `${file}: the first record has label ${label}; CIFAR-10 has 0 to ${CLASSES - 1}`,
      );
    return size / RECORD;
  } finally {
    await handle.close();
  }
}

function source(name: string, files: readonly string[], counts: readonly number[]): Source {
  const find = (i: number): { file: string; record: number } => {
    let record = i;
    let f = 0;
    while (record >= counts[f]!) record -= counts[f++]!;
    return { file: files[f]!, record };
  };
  return {
    name,
    count: counts.reduce((sum, count) => sum + count, 0),
    item: (i) => {
      const { file, record } = find(i);
      const offset = record * RECORD + 1;
      return {
        kind: 'record',
        from: file,
        offset,
        width: SIDE,
        height: SIDE,
        channels: 3,
        planar: true,
      };
    },
    label: (i) => {
      const { file, record } = find(i);
      return `${path.basename(file)}, image ${record}`;
    },
    skipped: [],
  };
}
