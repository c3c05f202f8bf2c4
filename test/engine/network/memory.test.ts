import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { arbitraryInput, arbitraryState, unetOf } from '../../helpers/unet.js';

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const architecture = {
  kind: 'simple',
  widths: [8, 16],
  channels: 1,
  timeDim: 8,
  norm: 'separate',
} as const;
const options = { architecture, size: 8, batch: 2 };

/** Bytes of this thread's objects that something still refers to, and of arrays outside of the heap. */
async function memory(): Promise<{ heap: number; arrays: number }> {
  collect();
  // What the workers sent is let go of between two collections.
  await new Promise((resolve) => setTimeout(resolve, 20));
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, arrays: arrayBuffers };
}

for (const training of [true, false])
  test.serial(
    `2,000 ${training ? 'training steps' : 'passes of sampling'} leave nothing on the heap`,
    async (t) => {
      const unet = unetOf(t, { ...options, training });
      await unet.importState(arbitraryState(architecture));
      const input = arbitraryInput(architecture, 8, [0, 1]);
      const run = async () => {
        for (let i = 0; i < 2000; i++)
          await (training
            ? unet.trainStep(input, input.noise, 1e-4)
            : unet.predict(input, 'running'));
      };
      // While it compiles, V8 keeps records of its own: 150 KB in the first thousand steps.
      await run();
      const before = await memory();
      await run();
      const after = await memory();
      const grown = { heap: after.heap - before.heap, arrays: after.arrays - before.arrays };
      t.log(`grew by ${grown.heap} bytes, arrays by ${grown.arrays}`);
      // An object of 64 bytes kept for each step would be as much.
      t.true(grown.heap < 2000 * 64, `the heap grew by ${grown.heap} bytes`);
      t.true(grown.arrays < 2000 * 64, `arrays grew by ${grown.arrays} bytes`);
    },
  );
