import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { lackOfWideVectors } from '../../src/engine/host/kernels.js';
import type { Bits } from '../helpers/bits.js';

const lack = lackOfWideVectors();

/** In a process of its own: V8 compiles everything with wide vectors once they have been asked for. */
async function bitsOf(...args: string[]): Promise<Bits> {
  const script = fileURLToPath(new URL('../helpers/bits.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args]);
  return JSON.parse(stdout) as Bits;
}

(lack === null ? test : test.skip)(
  `Weights, moments and images have the same bits in vectors of 256 bits (${lack ?? 'which V8 has here'})`,
  async (t) => {
    const plain = await bitsOf();
    t.true(Object.keys(plain).length > 0);
    t.deepEqual(await bitsOf('wide'), plain);
  },
);

test('Wide vectors compute results exactly if they are available', async (t) => {
  const wide = await bitsOf('wide');
  t.is(Object.keys(wide).length > 0, lack === null);
});
