/**
 * Haze's TensorFlow device against tfjs as it ships and PyTorch, on the same weights and batch:
 *
 *     node dist/bench/tensorflow.js --widths 64,128,256,512,1024 --size 64 --batch 8 --rounds 5 --python v/bin/python
 *
 * Each peer is a process of its own. They take turns, one step at a time, so that whatever else the machine
 * does hits all alike. Medians over the rounds are printed, and how far each is from Haze.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CounterRandom, PURPOSE } from '../src/diffusion/random.js';
import { writeSafetensors } from '../src/io/safetensors.js';
import type { Architecture } from '../src/unet/architecture.js';
import { countParameters } from '../src/unet/architecture.js';
import { initialState } from '../src/unet/initial-state.js';
import type { Tensor } from '../src/unet/state.js';
import type { Answer } from './peers/peer.js';

type Work = 'predict' | 'train';

/** A peer's process, spoken to a line at a time. */
class Process {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, program: string, args: readonly string[]) {
    this.name = name;
    const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' };
    this.#child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#next();
  }

  async ask(work: Work): Promise<Answer> {
    this.#child.stdin.write(`${work}\n`);
    return (await this.#next()) as Answer;
  }

  end(): void {
    this.#child.stdin.end();
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended without an answer`);
    return JSON.parse(value as string);
  }
}

const { values: flags } = parseArgs({
  options: {
    widths: { type: 'string', default: '16,32,64,128' },
    size: { type: 'string', default: '32' },
    batch: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '7' },
    python: { type: 'string' },
    eager: { type: 'boolean', default: false },
  },
});
const architecture: Architecture = {
  widths: flags.widths.split(',').map(Number),
  channels: 3,
  timeDim: 32,
  norm: 'separate',
};
const [size, batch, rounds] = [flags.size, flags.batch, flags.rounds].map(Number) as [
  number,
  number,
  number,
];
/** Steps before the clock counts: the first ones build caches. */
const WARM_UP = 2;

const folder = await mkdtemp(path.join(os.tmpdir(), 'haze-bench-'));
try {
  await bench(await writeTask(path.join(folder, 'task.safetensors')));
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function bench(task: string): Promise<void> {
  const peers = start(task);
  try {
    for (const peer of peers) await peer.ready();
    const [cpu] = os.cpus();
    const parameters = countParameters(architecture).toLocaleString('en');
    console.log(
      `${cpu?.model.trim()}, ${os.availableParallelism()} cores, Node ${process.version}`,
    );
    console.log(
      `widths ${flags.widths} (${parameters} parameters), ${size}x${size}, batch ${batch}`,
    );
    for (const work of ['predict', 'train'] as const) print(work, await measure(peers, work));
  } finally {
    for (const peer of peers) peer.end();
  }
}

function start(task: string): Process[] {
  const script = (name: string) => fileURLToPath(new URL(`./peers/${name}.js`, import.meta.url));
  const node = (name: string, file: string, ...args: string[]) =>
    new Process(name, process.execPath, [script(file), task, ...args]);
  const peers = [node('haze', 'haze-tensorflow'), node('tfjs as it ships', 'tfjs-plain')];
  if (flags.eager) peers.push(node('haze --eager', 'haze-tensorflow', '--eager'));
  if (flags.python) {
    const torch = fileURLToPath(new URL('../../bench/peers/torch_unet.py', import.meta.url));
    peers.push(new Process('PyTorch', flags.python, [torch, task]));
    peers.push(
      new Process('PyTorch channels_last', flags.python, [torch, task, '--channels-last']),
    );
  }
  return peers;
}

/** What each peer took for a step, in turns. @throws Error when they do not compute the same. */
async function measure(peers: Process[], work: Work): Promise<Map<string, Answer[]>> {
  const answers = new Map(peers.map((peer): [string, Answer[]] => [peer.name, []]));
  for (let round = 0; round < WARM_UP + rounds; round++) {
    let expected: number | undefined;
    for (const peer of peers) {
      const answer = await peer.ask(work);
      const { value } = answer;
      expected ??= value;
      if (round === 0 && !(Math.abs(value - expected) < 1e-4 * (1 + Math.abs(expected))))
        throw new Error(`${work}: ${peer.name} computes ${value}, ${peers[0]!.name} ${expected}`);
      if (round >= WARM_UP) answers.get(peer.name)!.push(answer);
    }
  }
  return answers;
}

function print(work: Work, answers: Map<string, Answer[]>): void {
  let ours: number | undefined;
  for (const [name, list] of answers) {
    const wall = quantiles(list.map(({ ms }) => ms / batch));
    const cpu = quantiles(list.map(({ cpu }) => cpu / batch));
    ours ??= wall.median;
    const [median, low, high] = [wall.median, wall.low, wall.high].map((ms) => ms.toFixed(2));
    const text = `${median} ms/image (${low} to ${high}), processor ${cpu.median.toFixed(2)}`;
    const ratio = `${(wall.median / ours).toFixed(2)} of Haze's time`;
    console.log(`${work.padEnd(8)} ${name.padEnd(22)} ${text.padEnd(52)} ${ratio}`);
  }
}

/** Median and quartiles. */
function quantiles(values: number[]): { median: number; low: number; high: number } {
  const sorted = values.sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))]!;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

async function writeTask(file: string): Promise<string> {
  const random = new CounterRandom(0);
  const images = (name: string, index: number): [string, Tensor] => {
    const shape = [batch, size, size, 3];
    const data = random.normals(PURPOSE.bench, index, 0, batch * size * size * 3);
    return [name, { dtype: 'F32', shape, data }];
  };
  const t = BigInt64Array.from({ length: batch }, (_, i) => BigInt((i * 83) % 300));
  const tensors = new Map<string, Tensor>([
    images('xt', 0),
    images('noise', 1),
    ['t', { dtype: 'I64', shape: [batch], data: t }],
  ]);
  for (const [name, tensor] of initialState(architecture, random))
    tensors.set(`state/${name}`, tensor);
  await writeSafetensors(file, tensors);
  return file;
}
