/** One picture on the command line: `haze sample --count 1`, from the start of the program to its end, beside a Python program that does the same. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ModelConfig } from '../config/config.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { RunError } from '../errors.js';
import { exportDiffusers } from '../export/diffusers.js';
import { GAP } from '../io/grid.js';
import { writeSafetensors } from '../io/safetensors.js';
import { initialState } from '../network/initial-state.js';
import { buildNetwork } from '../network/network.js';
import { measureBesidePeers, PIXEL_TOLERANCE } from './beside-peers.js';
import { FEW_STEPS } from './models.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours, variants } from './paths.js';
import type { Work } from './result.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';
import type { Findings } from './suite.js';
import { f32, i64, temporarily, writeTask } from './task.js';

/** Steps of DDIM, as diffusers' and Haze's default. */
const STEPS = 50;

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/** The work; only networks that diffusers has, too. */
export const oneImage = (name: string, { size }: ModelConfig): Work => ({
  ...{ subject: 'sample', what: 'one image', model: name, batch: 1, size, steps: STEPS },
});

export async function benchOneImage(
  { name, model }: NamedModel,
  options: BenchOptions,
): Promise<Findings> {
  const work = oneImage(name, model);
  const [first] = variants(options);
  return temporarily(async (folder) => {
    const file = await writeImageTask(folder, model, options.seed);
    return measureBesidePeers(work, [program(folder, model, options)], options, {
      tolerance: PIXEL_TOLERANCE,
      task: () => ({ file, threads: first!.threads, network: model.kind }),
      peers: { repeat: 1 },
    });
  });
}

const modelIn = (folder: string): string => join(folder, 'model');

/** A pipeline in diffusers' files, and beside it Haze's own x_T and the number of steps. Resolves to the latter's file. */
export async function writeImageTask(
  folder: string,
  model: ModelConfig,
  seed: number,
): Promise<string> {
  const random = new CounterRandom(seed);
  const { size, channels } = model;
  const weights = join(folder, 'model.safetensors');
  await writeSafetensors(weights, initialState(buildNetwork(model), random));
  const sampling = { clamp: 1 };
  const out = modelIn(folder);
  await exportDiffusers({ weights, model, diffusion: FEW_STEPS, sampling, classLabels: null, out });
  const start = random.normals(PURPOSE.sampleInit, 0, 0, size ** 2 * channels);
  return writeTask(folder, { xt: f32([1, size, size, channels], start), steps: i64([STEPS]) });
}

/** The command, as people call it, in a process of its own. */
function program(folder: string, model: ModelConfig, options: BenchOptions): Contender {
  const { build, wide, threads } = variants(options)[0]!;
  const picture = join(folder, 'haze.png');
  const args = [
    ...['sample', modelIn(folder), '--count', '1', '--out', picture, '--seed', `${options.seed}`],
    ...['--sampler', 'ddim', '--sample-steps', `${STEPS}`, '--spacing', 'leading'],
    ...['--device', 'wasm', '--threads', `${threads}`],
    ...(options.computing.strict ? ['--strict'] : []),
    ...(options.computing.wide === false ? ['--no-wide'] : []),
  ];
  const draw = async () => {
    try {
      await promisify(execFile)(process.execPath, [CLI, ...args]);
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      throw new RunError(`haze sample: ${stderr?.trim().split('\n').at(-1) || message}`);
    }
  };
  return {
    path: ours({ device: 'wasm', arithmetic: 'wasm', build, threads, wide }),
    check: async () => {
      await draw();
      return digest(await readGrid(picture, model.size));
    },
    turn: async () => {
      const begun = performance.now();
      await draw();
      return performance.now() - begun;
    },
  };
}

/** The pixels of a grid of one picture, in [-1, 1]: it is enlarged, and has a border. */
async function readGrid(file: string, size: number): Promise<Float32Array> {
  const { default: sharp } = await import('sharp');
  const { width } = await sharp(file).metadata();
  const side = width - 2 * GAP;
  const inner = sharp(file).extract({ left: GAP, top: GAP, width: side, height: side });
  const pixels = await inner.resize(size, size, { kernel: 'nearest' }).raw().toBuffer();
  return new Arithmetic().toFloat(pixels);
}
