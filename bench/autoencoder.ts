import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerProcess } from '../src/bench/peer-process.js';
import { difference, digest, median } from '../src/bench/statistics.js';
import { f32, temporarily } from '../src/bench/task.js';
import { Args } from '../src/config/args.js';
import { autoencoderConfigOf, newAutoencoderTraining } from '../src/config/autoencoder-training.js';
import { COMPUTING_DEFAULTS } from '../src/config/computing.js';
import type { Autoencoder } from '../src/contracts/autoencoder.js';
import { ADAM, type NetworkDevice } from '../src/contracts/device.js';
import { TOY_CARS } from '../src/data/toy-cars.js';
import { openAutoencoder } from '../src/device/open-autoencoder.js';
import { noTimes, openGraph } from '../src/device/open-graph.js';
import { CounterRandom, PURPOSE } from '../src/diffusion/random.js';
import { CheckError } from '../src/errors.js';
import { findAutoencoder } from '../src/io/autoencoder.js';
import { readSafetensors, writeSafetensors } from '../src/io/safetensors.js';
import {
  AUTOENCODER_CLASSES,
  latentFactor,
  readAutoencoderConfig,
} from '../src/network/autoencoder.js';
import { writeKlConfig } from '../src/network/autoencoder-kl-config.js';
import { buildWholeAutoencoder } from '../src/network/autoencoder-whole.js';
import { stateShapes } from '../src/network/parameters.js';
import { elements, type StateDict, type Tensor } from '../src/network/state.js';

/*
 * How long Haze takes to encode and to decode a picture, in turns with diffusers on PyTorch: as it is, with channels last, and
 * compiled. The autoencoders have random weights, and their published sizes (`tiny`: TAESD; `kl`: Stable Diffusion's AutoencoderKL), or
 * the one that `haze autoencoder` trains without flags (`own`), of which a training step is measured, too.
 * PYTHON names a Python with torch, diffusers and safetensors.
 *
 *   node dist/bench/autoencoder.js [tiny|kl|own] [side of the pictures, 256; of own 64] [rounds, 5] [threads, all]
 */

const OWN = newAutoencoderTraining(TOY_CARS, new Args({}));

/** Each one's config.json, and the usual side of its pictures. */
const KINDS = {
  tiny: { json: { _class_name: AUTOENCODER_CLASSES.tiny }, side: 256 },
  kl: {
    json: {
      _class_name: AUTOENCODER_CLASSES.kl,
      down_block_types: Array.from({ length: 4 }, () => 'DownEncoderBlock2D'),
      up_block_types: Array.from({ length: 4 }, () => 'UpDecoderBlock2D'),
      block_out_channels: [128, 256, 512, 512],
      layers_per_block: 2,
      scaling_factor: 0.18215,
    },
    side: 256,
  },
  own: { json: writeKlConfig(autoencoderConfigOf(OWN), OWN.size), side: OWN.size },
} as const;

/** Sides are multiples of it, for all of them. */
const FACTOR = 8;
const [kind = 'tiny', ...numbers] = process.argv.slice(2);
const { json, side: usualSide } = KINDS[Object.hasOwn(KINDS, kind) ? (kind as 'own') : 'tiny'];
const [size, rounds, threads] = [usualSide, 5, os.availableParallelism()].map((usual, i) =>
  Number(numbers[i] ?? usual),
) as [number, number, number];
const whole = (n: number, most: number): boolean => Number.isInteger(n) && n >= 1 && n <= most;
if (
  !Object.hasOwn(KINDS, kind) ||
  !(whole(size, 1024) && size % FACTOR === 0 && whole(rounds, 1000) && whole(threads, 256)) ||
  numbers.length > 3
) {
  process.stderr.write(
    `usage: node dist/bench/autoencoder.js [${Object.keys(KINDS).join('|')}] [SIDE, a multiple of ${FACTOR} up to 1024] [ROUNDS] [THREADS]\n`,
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

/** Both sides': lower than the usual one, so that losses stay near each other over the rounds. */
const RATE = 1e-4;

await temporarily(async (folder) => {
  const weights = join(folder, 'autoencoder');
  const config = readAutoencoderConfig(kind, json);
  const side = size / latentFactor(config);
  const random = new CounterRandom(0);
  const images = (count: number, side: number, channels: number, index: number): Tensor => {
    const numbers = random.normals(PURPOSE.sampleInit, index, 0, count * side ** 2 * channels);
    return f32([count, side, side, channels], numbers.map(Math.tanh));
  };
  const picture = images(1, size, config.channels, 0);
  const latents = images(1, side, config.latentChannels, 1);
  const pictures = images(OWN.batch, size, config.channels, 2);
  const file = join(folder, 'task.safetensors');
  await writeSafetensors(file, new Map(Object.entries({ picture, latents, pictures })), {
    config: JSON.stringify({ json, folder: weights, lr: kind === 'own' ? RATE : null }),
  });
  const python = process.env.PYTHON ?? 'python3';
  const args = [SCRIPT, file, '--threads', String(threads)];
  execFileSync(python, [...args, '--make'], { stdio: ['ignore', 'ignore', 'inherit'] });

  const files = findAutoencoder(weights);
  const computing = { ...COMPUTING_DEFAULTS, threads };
  await using haze = disposable(
    await openAutoencoder(files, side, { computing, requireCuda: false }),
  );
  // Of diffusers, `encode` gives latents that are not scaled yet, and `decode` reads such.
  const { scale } = config;
  const values = picture.data as Float32Array;
  const scaled = (latents.data as Float32Array).map((z) => z * scale);
  const turns = new Map([
    ['encode', timed(async () => (await haze.encode(values)).map((z) => z / scale))],
    ['decode', timed(() => haze.decode(scaled))],
  ]);
  const trained = kind === 'own' ? await openTrained(files.weights) : null;
  await using _ = disposable({ dispose: async () => trained?.dispose() });
  if (trained) {
    const [xt, t] = [pictures.data as Float32Array, noTimes(OWN.batch)];
    turns.set(
      'train',
      timed(async () => Float32Array.of(await trained.trainStep({ xt, t }, xt, RATE))),
    );
  }
  process.stdout.write(
    `${AUTOENCODER_CLASSES[config.kind]}, a picture of ${size}x${size}${trained ? `, a step of ${OWN.batch}` : ''}, Node ${process.versions.node}, ${haze.description}, medians of ${rounds} rounds\n`,
  );
  const peers = PEERS.map(([name, more]) => {
    const env = { OMP_NUM_THREADS: String(threads) };
    return new PeerProcess(name, { program: python, args: [...args, ...more], env });
  });
  try {
    for (const peer of peers) await peer.ready();
    process.stdout.write(`${peers[0]!.version}\n`);
    for (const [name, turn] of turns) await compare(name, turn, peers);
  } finally {
    await Promise.all(peers.map((peer) => peer.end()));
  }
});

/** The whole autoencoder as `haze autoencoder` trains it, with the weights of diffusers' class. */
async function openTrained(weights: string): Promise<NetworkDevice> {
  const graph = buildWholeAutoencoder(autoencoderConfigOf(OWN), size);
  const computing = { ...COMPUTING_DEFAULTS, threads };
  const { network } = await openGraph('wasm', computing, graph, {
    ...{ batch: OWN.batch, loss: OWN.loss },
    optimizer: { ...ADAM, beta2: 0.99, decay: 0.01, clip: 1 },
  });
  const { tensors } = await readSafetensors(weights);
  // It makes no log variances, whose rows of `quant_conv` are the last.
  const state: StateDict = new Map(
    [...stateShapes(graph)].map(([name, shape]) => {
      const data = tensors.get(name)!.data.slice(0, elements(shape)) as Float32Array;
      return [name, f32(shape, data)];
    }),
  );
  await network.importState(state);
  return network;
}

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

/**
 * Everyone takes turns, once more at first: what is compiled or transformed once does not count. A peer whose result is another than
 * Haze's is left out: PyTorch 2.13 compiles wrong gradients of `own`.
 * @throws CheckError if all peers' are
 */
async function compare(what: string, ours: Turn, peers: readonly PeerProcess[]): Promise<void> {
  const say = (name: string, text: string) =>
    process.stdout.write(`${what}  ${name.padEnd(24)} ${text}\n`);
  const own: number[] = [];
  const others = new Map(peers.map((peer): [PeerProcess, number[]] => [peer, []]));
  for (let round = -1; round < rounds; round++) {
    const expected = await ours();
    if (round >= 0) own.push(expected.ms);
    for (const [peer, times] of others) {
      const { ms, digest: got } = await peer.ask(what, 1);
      const far = difference(got, expected.digest);
      if (!(far <= TOLERANCE)) {
        say(peer.name, `differs from Haze by ${far.toPrecision(2)}, not measured`);
        others.delete(peer);
      } else if (round >= 0) times.push(ms);
    }
  }
  if (others.size === 0) throw new CheckError(`${what}: Haze differs from all peers`);
  const shown: [string, number][] = [
    ['Haze', median(own)],
    ...[...others].map(([{ name }, times]): [string, number] => [name, median(times)]),
  ];
  for (const [name, ms] of shown) say(name, `${ms.toFixed(1).padStart(9)} ms`);
  const [[, mine], ...theirs] = shown as [[string, number], ...[string, number][]];
  const best = Math.min(...theirs.map(([, ms]) => ms));
  process.stdout.write(
    `${what}  Haze ${(theirs[0]![1] / mine).toFixed(2)} times as fast as ${theirs[0]![0]}, ${(best / mine).toFixed(2)} times as its fastest way\n`,
  );
}
