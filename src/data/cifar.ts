/**
 * The binary versions of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3072 pixel bytes, the red, green
 * and blue planes of a 32x32 picture in turn (https://www.cs.toronto.edu/~kriz/cifar.html).
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../errors.js';
import { fsPath, joinRaw } from '../io/raw-path.js';
import { throwIfMachines } from '../machine/faults.js';
import { classesOfNumbers } from './classes.js';
import { fingerprintOfParts } from './fingerprint.js';
import { readAt } from './read-at.js';
import { reasonOf } from './reason.js';
import type { Place, Source } from './source.js';

const SIDE = 32;
const PIXELS = 3 * SIDE * SIDE;

/** The number of classes of each label byte of a record: CIFAR-100 has coarse and fine ones. */
interface Kind {
  readonly name: string;
  readonly classes: readonly number[];
  /** Names of the classes of the last label byte, if the format fixes them. */
  readonly names?: readonly string[];
}

const NAMES = [
  ...['airplane', 'automobile', 'bird', 'cat', 'deer'],
  ...['dog', 'frog', 'horse', 'ship', 'truck'],
];

const KINDS: readonly Kind[] = [
  { name: 'CIFAR-10', classes: [10], names: NAMES },
  { name: 'CIFAR-100', classes: [20, 100] },
];

const recordBytes = ({ classes }: Kind): number => classes.length + PIXELS;

/** A file of records. */
interface Batch {
  readonly file: Place;
  readonly kind: Kind;
  readonly count: number;
}

/** A folder with `data_batch_*.bin`, all of them in order; undefined for another folder. */
export async function openCifarFolder(folder: Place): Promise<Source | undefined> {
  const names = await readdir(fsPath(folder.path)).catch(() => [] as string[]);
  const batches = names.filter((name) => /^data_batch_\d+\.bin$/.test(name)).sort();
  if (batches.length === 0) return undefined;
  return source(
    folder.name,
    await Promise.all(batches.map((name) => openBatch(within(folder, name)))),
  );
}

const within = (folder: Place, name: string): Place => ({
  path: joinRaw(folder.path, Buffer.from(name)),
  name: path.join(folder.name, name),
});

/**
 * One batch file (`.bin`); undefined for a file of another name: records have no mark of their own, and any bytes may look like some.
 * @throws UsageError unless the file consists of CIFAR records
 */
export async function openCifar(file: Place): Promise<Source | undefined> {
  if (!/\.bin$/i.test(file.name)) return undefined;
  return source(file.name, [await openBatch(file)]);
}

async function openBatch(place: Place): Promise<Batch> {
  const file = place.name;
  const handle = await open(fsPath(place.path)).catch((error: unknown) => {
    throwIfMachines(error, file);
    throw new UsageError(`${file}: cannot be opened: ${reasonOf(error)}`);
  });
  try {
    const { size } = await handle.stat();
    if (size === 0) throw new UsageError(`${file}: the file is empty`);
    const kinds = KINDS.filter((kind) => size % recordBytes(kind) === 0);
    if (kinds.length === 0) throw notRecords(file, size);
    // A size may be a multiple of both kinds of record: then the labels decide.
    for (const kind of kinds)
      if (await hasLabels(handle, kind, size))
        return { file: place, kind, count: size / recordBytes(kind) };
    throw new UsageError(`${file}: its records have labels that ${kinds[0]!.name} does not have`);
  } finally {
    await handle.close();
  }
}

function notRecords(file: string, size: number): UsageError {
  const each = KINDS.map((kind) => `${kind.name} of ${recordBytes(kind)}`).join(', ');
  return new UsageError(
    `${file}: expected records of equal size (${each} bytes), got ${size} bytes, which is a multiple of neither`,
  );
}

/** Records whose labels are checked: enough to tell the kinds apart, and from other files. */
const LOOKED_AT = 64;

/** Whether the labels of the first records are valid for the kind. */
async function hasLabels(handle: FileHandle, kind: Kind, size: number): Promise<boolean> {
  const each = recordBytes(kind);
  const labels = Buffer.alloc(kind.classes.length);
  for (let i = 0; i < Math.min(LOOKED_AT, size / each); i++) {
    await handle.read(labels, 0, labels.length, i * each);
    if (kind.classes.some((classes, k) => labels[k]! >= classes)) return false;
  }
  return true;
}

/** Records per read when collecting labels. */
const AT_A_TIME = 4096;

/** The last label byte of each record: CIFAR-100's fine one. @throws UsageError for an invalid one */
function labelsOf({ file, kind, count }: Batch): Uint8Array {
  const each = recordBytes(kind);
  const at = kind.classes.length - 1;
  const labels = new Uint8Array(count);
  for (let first = 0; first < count; first += AT_A_TIME) {
    const records = readAt(file.path, first * each, Math.min(AT_A_TIME, count - first) * each);
    for (let i = 0; i * each < records.length; i++) {
      labels[first + i] = records[i * each + at]!;
      if (labels[first + i]! >= kind.classes[at]!)
        throw new UsageError(
          `${file.name}: image ${first + i}: expected a label below ${kind.classes[at]}, got ${labels[first + i]}`,
        );
    }
  }
  return labels;
}

function source(name: string, batches: readonly Batch[]): Source {
  const find = (i: number): { batch: Batch; record: number } => {
    let record = i;
    let b = 0;
    while (record >= batches[b]!.count) record -= batches[b++]!.count;
    return { batch: batches[b]!, record };
  };
  return {
    name,
    count: batches.reduce((sum, { count }) => sum + count, 0),
    item: (i) => {
      const { batch, record } = find(i);
      return {
        kind: 'record',
        from: batch.file.path,
        offset: record * recordBytes(batch.kind) + batch.kind.classes.length,
        width: SIDE,
        height: SIDE,
        channels: 3,
        planar: true,
      };
    },
    label: (i) => {
      const { batch, record } = find(i);
      return `${path.basename(batch.file.name)}, image ${record}`;
    },
    skipped: [],
    leftOut: [],
    classes: async () => {
      const kinds = new Set(batches.map(({ kind }) => kind.name));
      const labels = Buffer.concat(batches.map(labelsOf));
      return classesOfNumbers(labels, kinds.size === 1 ? batches[0]!.kind.names : undefined);
    },
    fingerprint: () => fingerprintOfParts(batches.map(({ file }) => file.path)),
  };
}
