/**
 * Writes one class of CIFAR-10 as pictures. The data are the unpacked binary version (https://www.cs.toronto.edu/~kriz/cifar.html):
 * node cifar-class.ts cifar-10-batches-bin automobile cars32    writes cars32/train/0000.png … and cars32/test/0000.png …
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePicture } from 'haze';

const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** A record is a label and three planes: red, green, blue. */
const RECORD = 1 + 3 * PIXELS;

const [data, name, out] = process.argv.slice(2);
if (data === undefined || name === undefined || out === undefined) {
  console.error('usage: node cifar-class.ts cifar-10-batches-bin CLASS FOLDER');
  process.exit(2);
}
const classes = (await readFile(join(data, 'batches.meta.txt'), 'utf8')).trim().split(/\s+/);
const label = classes.indexOf(name);
if (label < 0) {
  console.error(`expected one of ${classes.join(', ')}, got ${name}`);
  process.exit(2);
}

const files = (await readdir(data)).sort();
for (const [part, pattern] of [
  ['train', /^data_batch_\d+\.bin$/],
  ['test', /^test_batch\.bin$/],
] as const) {
  await mkdir(join(out, part), { recursive: true });
  let count = 0;
  for (const file of files.filter((one) => pattern.test(one))) {
    const bytes = await readFile(join(data, file));
    for (let at = 0; at < bytes.length; at += RECORD) {
      if (bytes[at] !== label) continue;
      const planes = bytes.subarray(at + 1, at + RECORD);
      const pixels = Uint8Array.from(
        { length: 3 * PIXELS },
        (_, i) => planes[(i % 3) * PIXELS + Math.floor(i / 3)]!,
      );
      const path = join(out, part, `${String(count++).padStart(4, '0')}.png`);
      await writePicture(path, { data: pixels, count: 1, height: SIDE, width: SIDE, channels: 3 });
    }
  }
  console.log(`${join(out, part)}: ${count} pictures of ${name}`);
}
