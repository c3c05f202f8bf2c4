import { join } from 'node:path';
import sharp from 'sharp';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { generate } from '../../src/generate/generate.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { sampleFrom } from '../../src/sample/sample.js';
import { folderWithModel, hashes, optionsIn, weightsOf } from '../helpers/generate.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const EACH = 16 * 16 * 3;

/** All images of a folder, one after the other. */
async function pixelsOf({ out, count }: GenerateOptions): Promise<Uint8Array> {
  const names = Array.from({ length: count }, (_, k) => `${String(k).padStart(6, '0')}.png`);
  const pictures = names.map((name) => sharp(join(out, name)).raw().toBuffer());
  return Buffer.concat(await Promise.all(pictures));
}

/** The pixels that `sample` draws on the same devices. */
async function sampled({ computing, count }: GenerateOptions): Promise<Uint8Array> {
  const options = { ...optionsIn('', ''), computing, count, frames: null, onEvent: () => {} };
  return new Arithmetic().toBytes((await sampleFrom(weightsOf(1), options)).images);
}

/** Levels by which the most different pixels differ. */
const apart = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((most, level, i) => Math.max(most, Math.abs(level - b[i]!)), 0);

for (const arithmetic of ['wasm', 'tensorflow'] as const)
  tensorflowTest(
    `On tensorflow with ${arithmetic} arithmetic, images equal those of sample for any workers, batch and shard`,
    async (t) => {
      const folder = await folderWithModel(t);
      const computing = {
        ...optionsIn('', '').computing,
        device: 'tensorflow',
        arithmetic,
      } as const;
      const notes: string[] = [];
      const make = async (out: string, changes: Partial<GenerateOptions>) => {
        const options = optionsIn(folder, out, {
          ...{ count: 13, computing, ...changes },
          onEvent: (event) => event.kind === 'note' && notes.push(event.text),
        });
        await generate(options);
        return options;
      };
      const expected = await sampled(await make('whole', { batch: 13, workers: 1 }));
      await make('shards', { batch: 3, shard: { index: 1, of: 2 } });
      const sets = [
        await make('whole', {}),
        await make('many', { batch: 2, workers: 2 }),
        await make('few', { batch: 5, workers: 1 }),
        await make('shards', { batch: 3, shard: { index: 2, of: 2 } }),
      ];
      for (const options of sets) {
        const got = await pixelsOf(options);
        t.is(got.length, 13 * EACH);
        // The device promises f32 tolerances: a value near the middle between two levels may go either way.
        t.true(apart(got, expected) <= 1, `${options.out}: ${apart(got, expected)} levels`);
      }
      // The same batch on the same device is the same bits, wherever the arithmetic is done.
      t.is(Buffer.compare(await pixelsOf(sets[0]!), expected), 0);
      const pooled = notes.filter((note) => note.includes('arithmetic on'));
      t.is(pooled.length, arithmetic === 'wasm' ? notes.length : 0, notes.join('\n'));
      t.is(Object.keys(await hashes(join(folder, 'shards'))).length, 13);
    },
  );
