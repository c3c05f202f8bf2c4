import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, quartiles } from '../src/bench/statistics.js';
import { COMPUTING_DEFAULTS } from '../src/config/computing.js';
import { DIFFUSION_DEFAULTS } from '../src/config/diffusion.js';
import { PRESET_NAMES, PRESETS } from '../src/config/presets.js';
import { choose } from '../src/config/source.js';
import { CounterRandom } from '../src/diffusion/random.js';
import { generate } from '../src/generate/generate.js';
import { hashFile } from '../src/io/hash.js';
import { writeSafetensors } from '../src/io/safetensors.js';
import { initialState } from '../src/network/initial-state.js';
import { buildNetwork } from '../src/network/network.js';
import { present } from '../src/queue/board.js';
import { significant } from '../src/units.js';
import { CLI } from '../test/helpers/cli-path.js';
import { freePort, RedisServer } from '../test/helpers/redis-server.js';
import { until } from '../test/helpers/until.js';

/*
 * The overhead of the queue: images per second of two workers with a thread each, through a Redis on this machine, compared with
 * `haze generate --workers 2`, in turns. First it checks that both give the same files.
 *
 *   node dist/bench/queue.js [images] [rounds] [preset] [steps]
 */

const images = Number(process.argv[2] ?? 256);
const rounds = Number(process.argv[3] ?? 5);
const preset = choose('preset', process.argv[4] ?? 'tiny', PRESET_NAMES);
const steps = Number(process.argv[5] ?? 50);

const folder = await mkdtemp(join(tmpdir(), 'haze-bench-'));
process.env.HAZE_CACHE = join(folder, 'cache');
const server = new RedisServer(await freePort(), folder, []);
await server.start();
const workers = [1, 2].map(() =>
  spawn(process.execPath, [CLI, 'worker', '--queue', server.url, '--threads', '1'], {
    stdio: 'ignore',
  }),
);
try {
  await measure();
} finally {
  for (const worker of workers) worker.kill('SIGKILL');
  server.kill();
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const { model } = PRESETS[preset];
  const weights = join(folder, 'model.safetensors');
  await writeSafetensors(weights, initialState(buildNetwork(model), new CounterRandom(0)));
  const client = server.client();
  await until(async () => (await present(client, 'worker')).length === workers.length);
  client.disconnect();
  let outs = 0;
  const run = async (queue: string | null) => {
    const out = join(folder, `${outs++}`);
    const { made, seconds } = await generate({
      ...{ weights, model, diffusion: DIFFUSION_DEFAULTS, computing: COMPUTING_DEFAULTS },
      sampling: { sampler: 'ddim', steps, eta: 0, norm: 'running' },
      ...{ seed: 0, count: images, out, format: 'npz', workers: workers.length, batch: null },
      ...{ queue, shard: { index: 1, of: 1 }, resume: false, requireCuda: false },
    });
    return { hash: await hashFile(join(out, 'images.npz')), rate: made / seconds };
  };
  const [local, queued] = [await run(null), await run(server.url)];
  if (local.hash !== queued.hash) throw new Error('the files differ');
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const here = (await run(null)).rate;
    const there = (await run(server.url)).rate;
    ratios.push(there / here);
    console.log(
      `round ${round + 1}: local ${significant(here)} images/s, queue ${significant(there)} images/s`,
    );
  }
  const [low, high] = quartiles(ratios).map((ratio) => ratio.toFixed(3));
  console.log(
    `${preset}, ${images} images in ${steps} steps: queue / local = ${median(ratios).toFixed(3)} (quartiles ${low} to ${high})`,
  );
}
