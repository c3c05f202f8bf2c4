import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerProcess } from '../src/bench/peer-process.js';
import { difference, digest, median } from '../src/bench/statistics.js';
import { f32, temporarily } from '../src/bench/task.js';
import { COMPUTING_DEFAULTS } from '../src/config/computing.js';
import type { Autoencoder } from '../src/contracts/autoencoder.js';
import { openAutoencoder } from '../src/device/open-autoencoder.js';
import { CounterRandom, PURPOSE } from '../src/diffusion/random.js';
import { CheckError } from '../src/errors.js';
import { findAutoencoder } from '../src/io/autoencoder.js';
import { writeSafetensors } from '../src/io/safetensors.js';

/*
 * How long Haze takes to encode and to decode a picture, in turns with diffusers on PyTorch: as it is, with channels last, and
 * compiled. The autoencoders have their published sizes (AutoencoderTiny: TAESD; AutoencoderKL: Stable Diffusion's) and random weights.
 * PYTHON names a Python with torch, diffusers and safetensors.
 *
 *   node dist/bench/autoencoder.js [tiny|kl] [side of the pictures, 256] [rounds, 5] [threads, all]
 */

const CLASSES = {
  tiny: { class: 'AutoencoderTiny', arguments: {} },
  kl: {
    class: 'AutoencoderKL',
    arguments: {
      down_block_types: Array.from({ length: 4 }, () => 'DownEncoderBlock2D'),
      up_block_types: Array.from({ length: 4 }, () => 'UpDecoderBlock2D'),
      block_out_channels: [128, 256, 512, 512],
      layers_per_block: 2,
      scaling_factor: 0.18215,
    },
  },
} as const;

const FACTOR = 8;
const [kind = 'tiny', ...numbers] = process.argv.slice(2);
const [size, rounds, threads] = [256, 5, os.availableParallelism()].map((usual, i) =>
  Number(numbers[i] ?? usual),
) as [number, number, number];
const whole = (n: number, most: number): boolean => Number.isInteger(n) && n >= 1 && n <= most;
if (
  !Object.hasOwn(CLASSES, kind) ||
  !(whole(size, 1024) && size % FACTOR === 0 && whole(rounds, 1000) && whole(threads, 256)) ||
  numbers.length > 3
) {
  process.stderr.write(
    `usage: node dist/bench/autoencoder.js [${Object.keys(CLASSES).join('|')}] [SIDE, a multiple of ${FACTOR} up to 1024] [ROUNDS] [THREADS]\n`,
  );
  process.exit(2);
}

const SCRIPT = fileURLToPath(new URL('../../bench/peers/torch_autoencoder.py', import.meta.url));
const PEERS = [
  ['PyTorch', []],
  ['PyTorch, channels last', ['--channels-last']],
  ['PyTorch, compiled', ['--channels-last', '--compile']],
] as const;

/** Milliseconds of a turn, and what it gave. */
type Turn = () => Promise<{ ms: number; digest: readonly number[] }>;

/** How far results may differ, relative to 1 + |value|. */
const TOLERANCE = 1e-3;

await temporarily(async (folder) => {
  const weights = join(folder, 'autoencoder');
  const random = new CounterRandom(0);
  const normals = (side: number, channels: number, index: number) =>
    random.normals(PURPOSE.sampleInit, index, 0, side ** 2 * channels).map((x) => Math.tanh(x));
  const picture = normals(size, 3, 0);
  const latents = normals(size / FACTOR, 4, 1);
  const file = join(folder, 'task.safetensors');
  const side = size / FACTOR;
  await writeSafetensors(
    file,
    new Map([
      ['picture', f32([1, size, size, 3], picture)],
      ['latents', f32([1, side, side, 4], latents)],
    ]),
    { config: JSON.stringify({ ...CLASSES[kind as keyof typeof CLASSES], folder: weights }) },
  );
  const python = process.env.PYTHON ?? 'python3';
  const args = [SCRIPT, file, '--threads', String(threads)];
  execFileSync(python, [...args, '--make'], { stdio: ['ignore', 'ignore', 'inherit'] });

  const files = findAutoencoder(weights);
  const computing = { ...COMPUTING_DEFAULTS, threads };
  await using haze = disposable(
    await openAutoencoder(files, side, { computing, requireCuda: false }),
  );
  // Of diffusers, `encode` gives latents that are not scaled yet, and `decode` reads such.
  const { scale } = files.config;
  const scaled = latents.map((z) => z * scale);
  const works = {
    encode: async () => (await haze.encode(picture)).map((z) => z / scale),
    decode: () => haze.decode(scaled),
  };
  process.stdout.write(
    `${files.config.kind === 'kl' ? 'AutoencoderKL' : 'AutoencoderTiny'}, a picture of ${size}x${size}, Node ${process.versions.node}, ${haze.description}, medians of ${rounds} rounds\n`,
  );
  const peers = PEERS.map(([name, more]) => {
    const env = { OMP_NUM_THREADS: String(threads) };
    return new PeerProcess(name, { program: python, args: [...args, ...more], env });
  });
  try {
    for (const peer of peers) await peer.ready();
    process.stdout.write(`${peers[0]!.version}\n`);
    for (const [name, work] of Object.entries(works)) await compare(name, timed(work), peers);
  } finally {
    await Promise.all(peers.map((peer) => peer.end()));
  }
});

/** `await using`, of what is disposed of by a method. */
function disposable<T extends Pick<Autoencoder, 'dispose'>>(value: T): T & AsyncDisposable {
  return Object.assign(value, { [Symbol.asyncDispose]: () => value.dispose() });
}

/** Copies and scales count, too; they are far below a hundredth. */
function timed(work: () => Promise<Float32Array>): Turn {
  return async () => {
    const begun = performance.now();
    const result = await work();
    return { ms: performance.now() - begun, digest: digest(result) };
  };
}

/** Everyone takes turns, once more at first: what is compiled or transformed once does not count. */
async function compare(what: string, ours: Turn, peers: readonly PeerProcess[]): Promise<void> {
  const turns: [name: string, turn: Turn][] = [
    ['Haze', ours],
    ...peers.map((peer): [string, Turn] => [peer.name, () => peer.ask(what, 1)]),
  ];
  const times = turns.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    const answers = [];
    for (const [, turn] of turns) answers.push(await turn());
    for (const [i, { ms, digest: got }] of answers.entries()) {
      const far = difference(got, answers[0]!.digest);
      if (!(far <= TOLERANCE))
        throw new CheckError(`${what}: ${turns[i]![0]} differs from Haze by ${far}`);
      if (round >= 0) times[i]!.push(ms);
    }
  }
  const [own, ...others] = times.map(median);
  const best = Math.min(...others);
  for (const [i, [name]] of turns.entries())
    process.stdout.write(
      `${what}  ${name.padEnd(24)} ${median(times[i]!).toFixed(1).padStart(9)} ms\n`,
    );
  process.stdout.write(
    `${what}  Haze ${(others[0]! / own!).toFixed(2)} times as fast as PyTorch, ${(best / own!).toFixed(2)} times as its fastest way\n`,
  );
}
