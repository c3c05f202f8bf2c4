/**
 * A process that decodes a folder's images with no descriptor left, under a `ulimit -n`; what became of it goes to
 * stdout. Arguments: the folder.
 */
import { openSync } from 'node:fs';
import { argv } from 'node:process';
import { DecodePool } from '../../src/data/decode-pool.js';
import { openSource } from '../../src/data/source.js';

const source = await openSource(argv[2]!, 0);
const pool = await DecodePool.open({ size: 8, channels: 3, fit: 'squash' }, 1);
const decode = () => pool.decode({ count: source.count, item: (i) => source.item(i), out: null });
const { failures } = await decode();
try {
  for (;;) openSync('/dev/null', 'r');
} catch {
  // None is left.
}
const without = await decode().then(
  ({ failures: skipped }) => `${skipped.length} skipped`,
  (error: Error) => `${error.name}: ${error.message}`,
);
process.stdout.write(`${failures.length} skipped\n${without}\n`, () => process.exit(0));
