import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { temporaryFolder } from '../helpers/folder.js';

const MIB = 2 ** 20;

/** Decodes a file again and again in a process of its own, and prints the most memory that the process had. */
const PROGRAM = `
  const [module, path, budget] = process.argv.slice(1);
  const { DecodePool } = await import(module);
  const pool = await DecodePool.open({ size: 8, channels: 3, fit: 'squash' }, 2, Number(budget));
  const item = () => ({ kind: 'file', path });
  const { failures } = await pool.decode({ count: 64, item, out: null });
  await pool.close();
  process.stdout.write(JSON.stringify([failures, process.resourceUsage().maxRSS * 1024]));
`;

test('small files of large pictures do not exhaust memory, however many are being decoded', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.png');
  const side = 2400;
  const picture = {
    create: { width: side, height: side, channels: 3, background: '#f80' },
  } as const;
  await sharp(picture).png({ palette: true, colours: 2 }).toFile(file);
  const module = new URL('../../src/data/decode-pool.js', import.meta.url).href;
  const memoryWith = async (budget: number): Promise<number> => {
    const args = ['--input-type=module', '-e', PROGRAM, module, file, String(budget)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const [failures, most] = JSON.parse(stdout);
    t.deepEqual(failures, []);
    return most;
  };
  // Two workers have eight pictures of 16 MiB in hand.
  let [alone, together] = [Number.POSITIVE_INFINITY, 0];
  // On a busy machine they may follow one another by chance.
  for (let tries = 0; tries < 5 && together - alone <= 32 * MIB; tries++) {
    alone = Math.min(alone, await memoryWith(1));
    together = Math.max(together, await memoryWith(2 ** 30));
  }
  t.true(together - alone > 32 * MIB, `${alone / MIB} MiB, ${together / MIB} MiB`);
});
