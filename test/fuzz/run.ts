/**
 * The search of `npm run fuzz`, for one target: `node run.js TARGET SECONDS SEED FILE`. Each file is written to FILE before it is
 * read, since a reader that never ends, or takes all memory, cannot say which it was. Prints what it found as a line of JSON.
 */
import { writeFileSync } from 'node:fs';
import { inFolder, search } from './check.js';
import { targets } from './targets.js';

/** Milliseconds that reading a file may take. */
const PATIENCE = 10_000;

const [name = '', seconds = '0', seed = '0', file = ''] = process.argv.slice(2);

await inFolder(async (folder) => {
  const all = await targets(folder);
  const target = all.find((one) => one.name === name);
  if (!target) {
    console.log(JSON.stringify({ names: all.map((one) => one.name) }));
    return;
  }
  const { tried, find } = await search(target, folder, {
    ...{ seed: Number(seed), runs: Number.MAX_SAFE_INTEGER, time: 1000 * Number(seconds) },
    patience: PATIENCE,
    onTry: (bytes) => writeFileSync(file, bytes),
  });
  if (find) writeFileSync(file, find.bytes);
  const error = find && (find.error instanceof Error ? find.error.stack : String(find.error));
  console.log(JSON.stringify({ tried, error }));
});
