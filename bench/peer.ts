/**
 * Runs one peer and prints one line of JSON:
 *
 *     npm run --silent bench:peer -- PyTorch train --preset tiny --batch 32 --rounds 7 --threads 2
 *
 * Without a peer's name it lists the peers and their works, which docs/BENCHMARKS.md describes. Presets are those of haze, and
 * ddpm-cifar10-32.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kernelInputs, writeKernelTask } from '../src/bench/arithmetic.js';
import { extentOf, GENERATED_BY, generatedBy, writeSamplingTask } from '../src/bench/generate.js';
import { unetInputs } from '../src/bench/inputs.js';
import { MODELS } from '../src/bench/models.js';
import { oneImage, writeImageTask } from '../src/bench/one-image.js';
import { PEERS } from '../src/bench/peer-list.js';
import { openPeers } from '../src/bench/peers.js';
import { writePhotographs } from '../src/bench/photographs.js';
import type { Subject, Work } from '../src/bench/result.js';
import { measure } from '../src/bench/rounds.js';
import { writeStepTask } from '../src/bench/sample.js';
import { temporarily } from '../src/bench/task.js';
import { writeUnetTask } from '../src/bench/unet.js';
import { Args } from '../src/config/args.js';
import type { ModelConfig } from '../src/config/config.js';
import { DIFFUSION_DEFAULTS } from '../src/config/diffusion.js';
import { PRESETS } from '../src/config/presets.js';
import { makeTrajectory } from '../src/diffusion/sampler.js';
import { makeSchedule } from '../src/diffusion/schedule.js';
import { RunError, UsageError } from '../src/errors.js';

interface Request {
  readonly name: string;
  readonly work: Work;
  readonly model: ModelConfig;
  readonly threads: number;
  readonly rounds: number;
  readonly seed: number;
}

const NAMED = { ...PRESETS, ...MODELS };
const MODEL_NAMES = Object.keys(NAMED) as (keyof typeof NAMED)[];

/** @throws UsageError for invalid flags, and for an unknown peer or work */
function readRequest(): Request {
  const { values, positionals } = parse();
  const args = new Args(values);
  const [name = '', what = ''] = positionals;
  const preset = args.oneOf('preset', MODEL_NAMES)!;
  const { model } = NAMED[preset];
  const whole = (flag: string, min: number) => args.whole(flag, { min })!;
  const [batch, threads] = [whole('batch', 1), whole('threads', 1)];
  const known = PEERS.filter((peer) => peer.name === name).flatMap(({ works }) => works);
  if (!known.includes(what)) {
    const all = PEERS.map((peer) => `${peer.name}: ${peer.works.join(', ')}`);
    throw new UsageError(
      `expected a peer and its work, got ${name} ${what}; there are\n${all.join('\n')}`,
    );
  }
  if (isGenerated(what) && what !== generatedBy(model))
    throw new UsageError(`${what}: ${preset} is measured by ${generatedBy(model)}`);
  const work: Work =
    what === 'one image'
      ? oneImage(preset, model)
      : {
          ...{ subject: subjectOf(what), what, model: preset, batch, size: model.size },
          ...(what === 'reverse step' && { steps: DIFFUSION_DEFAULTS.timesteps }),
          ...(isGenerated(what) && worksOf(model, batch, threads)),
        };
  return { name, work, model, threads, rounds: whole('rounds', 1), seed: whole('seed', 0) };
}

const isGenerated = (what: string): boolean => Object.values<string>(GENERATED_BY).includes(what);

function worksOf(
  model: ModelConfig,
  batch: number,
  threads: number,
): Pick<Work, 'images' | 'steps'> {
  const { images, steps } = extentOf(model, batch, threads);
  return { images, steps };
}

function parse() {
  try {
    return parseArgs({
      options: {
        preset: { type: 'string', default: 'reference' },
        batch: { type: 'string', default: '8' },
        rounds: { type: 'string', default: '7' },
        threads: { type: 'string', default: '2' },
        seed: { type: 'string', default: '0' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Resolves to whether the peer could be measured; prints its row, or why not. */
function run(request: Request): Promise<boolean> {
  const { name, work, model, threads, rounds } = request;
  return temporarily(async (folder) => {
    const file = await writeInputs(folder, request);
    const task = {
      ...{ file, threads },
      ...(work.subject === 'preprocess' && { size: model.size }),
      ...(NETWORKED.includes(work.subject) && { network: model.kind }),
    };
    const repeat = work.subject === 'arithmetic' ? 9 : 1;
    const options = { repeat, ...(work.subject === 'generate' && { batches: [work.batch] }) };
    const peers = await openPeers(work, task, options, (peer) => peer.name === name);
    try {
      const [result] = await measure(work, peers.contenders, {
        ...{ rounds, tolerance: 0, pause: 0, onNote: () => undefined },
      });
      const [missing] = peers.missing;
      console.log(JSON.stringify({ ...(result ?? missing), versions: peers.versions }));
      return result !== undefined;
    } finally {
      await peers.close();
    }
  });
}

/** Subjects whose inputs include a network's weights. */
const NETWORKED: readonly Subject[] = ['unet', 'sample', 'generate'];

function subjectOf(what: string): Subject {
  if (what === 'load') return 'preprocess';
  if (what === 'reverse step' || what === 'one image') return 'sample';
  if (isGenerated(what)) return 'generate';
  return what === 'forward' || what === 'train' ? 'unet' : 'arithmetic';
}

async function writeInputs(folder: string, request: Request): Promise<string> {
  const { work, model, seed } = request;
  const { batch } = work;
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const unet = () => unetInputs(model, batch, schedule.timesteps, seed);
  switch (work.subject) {
    case 'arithmetic':
      return writeKernelTask(folder, kernelInputs(model, batch, seed));
    case 'preprocess':
      await writePhotographs(join(folder, 'photographs'), batch, seed);
      return join(folder, 'photographs');
    case 'generate':
      return writeSamplingTask(
        folder,
        model,
        extentOf(model, batch, request.threads),
        seed,
        unet().state,
      );
    case 'sample': {
      if (work.what === 'one image') return writeImageTask(folder, model, seed);
      const trajectory = makeTrajectory(schedule, { sampler: 'ancestral' });
      return writeStepTask(folder, model, batch, trajectory, unet(), seed);
    }
    default:
      return writeUnetTask(folder, model, batch, unet());
  }
}

try {
  process.exitCode = (await run(readRequest())) ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError || error instanceof RunError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
