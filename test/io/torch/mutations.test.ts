import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CounterRandom, PURPOSE } from '../../../src/diffusion/random.js';
import { UsageError } from '../../../src/errors.js';
import { readTensors } from '../../../src/io/read-tensors.js';
import { fixturePath } from '../../helpers/cli.js';
import { temporaryFolder } from '../../helpers/folder.js';

const FILES = ['tensors.pt', 'tensors_legacy.pt', 'checkpoint.pt', 'nested.pt'];
const ROUNDS = 250;

/** Numbers that have broken readers: around the limits of their widths. */
const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Whole numbers from 0 to below a limit, by a seed. */
function dice(seed: number): (below: number) => number {
  const values = new CounterRandom(seed).uniform(PURPOSE.weights, 0, 64, 0, 1);
  let at = 0;
  return (below) => Math.min(below - 1, Math.floor(values[at++ % values.length]! * below));
}

/** A file with one to eight faults: bits, bytes and numbers changed, pieces moved, doubled or lost. */
function mutate(file: Buffer, roll: (below: number) => number): Buffer {
  let bytes = Buffer.from(file);
  // Most of a file is data, in which no fault shows: half of the faults go where its pickle is.
  const pickle = Math.max(0, bytes.indexOf(Buffer.from([0x80, 2])));
  const place = () =>
    roll(2) === 0 ? roll(bytes.length) : Math.min(bytes.length - 1, pickle + roll(2000));
  for (let faults = 1 + roll(8); faults > 0 && bytes.length > 16; faults--) {
    const at = place();
    const other = place();
    const length = Math.min(1 + roll(32), bytes.length - Math.max(at, other));
    const piece = Buffer.from(bytes.subarray(other, other + length));
    switch (roll(6)) {
      case 0:
        bytes[at]! ^= 1 << roll(8);
        break;
      case 1:
        bytes[at] = roll(256);
        break;
      case 2: {
        const number = Buffer.alloc(8);
        number.writeBigUInt64LE(EXTREMES[roll(EXTREMES.length)]!);
        number.copy(bytes, at, 0, [1, 2, 4, 8][roll(4)]);
        break;
      }
      case 3:
        piece.copy(bytes, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    }
  }
  return bytes;
}

for (const [index, name] of FILES.entries())
  test(`${name}, mutated ${ROUNDS} times, is read or refused, and never takes much more memory`, async (t) => {
    const path = join(await temporaryFolder(t), 'mutated.pt');
    const file = await readFile(fixturePath(`torch/${name}`));
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const content = mutate(file, dice(index * ROUNDS + round));
      await writeFile(path, content);
      try {
        const { tensors } = await readTensors(path);
        const bytes = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
        t.true(bytes <= 8 * (4 * content.length + (16 << 20)), `round ${round}: ${bytes} bytes`);
      } catch (error) {
        refused++;
        if (!(error instanceof UsageError)) t.fail(`round ${round}: ${(error as Error).stack}`);
      }
    }
    t.true(refused > ROUNDS / 4, `${refused} refused`);
  });

test('every truncation of a small file is refused', async (t) => {
  const path = join(await temporaryFolder(t), 'cut.pt');
  for (const name of ['tensors.pt', 'tensors_legacy.pt']) {
    const file = await readFile(fixturePath(`torch/${name}`));
    for (let size = 0; size < file.length; size += 7) {
      await writeFile(path, file.subarray(0, size));
      await t.throwsAsync(readTensors(path), { instanceOf: UsageError }, `${name}: ${size} bytes`);
    }
  }
});
