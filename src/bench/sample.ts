/**
 * The reverse process, for every pairing of device and arithmetic: one step of the ancestral sampler, and the resulting
 * images per second; and one picture as the command draws it.
 */
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import type { Sampler } from '../contracts/sampler.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeTrajectory, type Trajectory } from '../diffusion/sampler.js';
import { makeSchedule, type Schedule } from '../diffusion/schedule.js';
import { openSampler } from '../sample/open-sampler.js';
import { measureBesidePeers } from './beside-peers.js';
import { unetInputs } from './inputs.js';
import { BATCH, MODELS, SAMPLED } from './models.js';
import { benchOneImage } from './one-image.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours, variants } from './paths.js';
import type { Missing, Path, Work } from './result.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';
import { type Findings, join, wantsTensorflow } from './suite.js';
import { f32, i64, temporarily, writeTask } from './task.js';

/** Reverse steps per turn. */
const STEPS = 3;

const TOLERANCE = 1e-3;

const DEVICES = ['wasm', 'tensorflow'] as const;

export async function benchSample(options: BenchOptions): Promise<Findings> {
  const models = options.chosen ? [options.chosen] : SAMPLED.map((name) => MODELS[name]);
  const all: Findings[] = [];
  for (const one of models) all.push(await benchModel(one, options));
  const { device, arithmetic } = options.only;
  if ((device ?? 'wasm') === 'wasm' && (arithmetic ?? 'wasm') === 'wasm')
    for (const one of models)
      if (one.model.kind !== 'simple') all.push(await benchOneImage(one, options));
  return join(all);
}

async function benchModel(chosen: NamedModel, options: BenchOptions): Promise<Findings> {
  const batch = options.batch ?? BATCH;
  const what = 'reverse step';
  const { size } = chosen.model;
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const steps = schedule.timesteps;
  const work: Work = { subject: 'sample', what, model: chosen.name, batch, size, steps };
  const trajectory = makeTrajectory(schedule, { sampler: 'ancestral' });
  const inputs = unetInputs(chosen.model, batch, schedule.timesteps, options.seed);
  const missing: Missing[] = [];
  const open: Sampler[] = [];
  return temporarily(async (folder) => {
    try {
      const contenders: Contender[] = [];
      for (const path of paths(options, work, missing)) {
        const sampler = await openPath(path, options, chosen, batch, trajectory, schedule, inputs);
        open.push(sampler);
        contenders.push(contender(path, sampler, trajectory.timesteps.length));
      }
      const { model } = chosen;
      const { threads } = variants(options)[0]!;
      const task = async () => ({
        file: await writeStepTask(folder, model, batch, trajectory, inputs, options.seed),
        ...{ threads, network: model.kind },
      });
      const peers = { repeat: STEPS };
      const how = { tolerance: TOLERANCE, task, peers, missing };
      return await measureBesidePeers(work, contenders, options, how);
    } finally {
      for (const sampler of open) await sampler.dispose();
    }
  });
}

/** Every pairing; for the engine alone, only its first variant. */
function paths(options: BenchOptions, work: Work, missing: Missing[]): Path[] {
  const [first] = variants(options);
  const { only } = options;
  const wanted = DEVICES.flatMap((device) =>
    DEVICES.map((arithmetic) => ({ device, arithmetic })),
  ).filter(
    ({ device, arithmetic }) =>
      (only.device ?? device) === device && (only.arithmetic ?? arithmetic) === arithmetic,
  );
  const isWasm = (p: (typeof wanted)[number]) => p.device === 'wasm' && p.arithmetic === 'wasm';
  const others = wanted.filter((p) => !isWasm(p));
  const there = others.length > 0 && wantsTensorflow(null, work, missing) ? others : [];
  return [...wanted.filter(isWasm), ...there].map(({ device, arithmetic }) =>
    ours({
      ...{ device, arithmetic },
      build: device === 'wasm' ? first!.build : null,
      ...(device === 'wasm' && { wide: first!.wide }),
      threads: device === 'wasm' ? first!.threads : null,
    }),
  );
}

function openPath(
  { device, arithmetic }: Path,
  options: BenchOptions,
  { model }: NamedModel,
  batch: number,
  trajectory: Trajectory,
  schedule: Schedule,
  { state }: Pick<ReturnType<typeof unetInputs>, 'state'>,
): Promise<Sampler> {
  const computing = { ...options.computing, device: device!, arithmetic: arithmetic! };
  const steps = schedule.timesteps;
  return openSampler(
    {
      ...{ model, computing, seed: options.seed, count: batch, frames: null },
      ...{ diffusion: DIFFUSION_DEFAULTS, requireCuda: false },
      sampling: { sampler: 'ancestral', steps, eta: 1, norm: 'running' },
    },
    trajectory,
    schedule,
    batch,
    state,
  );
}

/** Turns walk along the trajectory and start again at its end. */
function contender(path: Path, sampler: Sampler, steps: number): Contender {
  const images = Uint32Array.from({ length: sampler.batch }, (_, i) => i);
  let at = 0;
  return {
    path,
    check: async () => {
      await sampler.start(images);
      await sampler.advance(0, 1);
      at = 1;
      return digest(sampler.read());
    },
    turn: async () => {
      if (at + STEPS > steps) {
        await sampler.start(images);
        at = 0;
      }
      const begun = performance.now();
      await sampler.advance(at, at + STEPS);
      at += STEPS;
      return (performance.now() - begun) / STEPS;
    },
  };
}

/** For peers, the first step of the same trajectory: x_T, z and the step's coefficients. */
export function writeStepTask(
  folder: string,
  model: ModelConfig,
  batch: number,
  { timesteps, coefficients, width }: Trajectory,
  { state }: Pick<ReturnType<typeof unetInputs>, 'state'>,
  seed: number,
): Promise<string> {
  const each = model.size ** 2 * model.channels;
  const random = new CounterRandom(seed);
  const first = timesteps[0]!;
  const draw = (purpose: 9 | 10, t: number) => {
    const out = new Float32Array(batch * each);
    for (let k = 0; k < batch; k++) out.set(random.normals(purpose, k, t, each), k * each);
    return f32([batch, model.size, model.size, model.channels], out);
  };
  return writeTask(
    folder,
    {
      xt: draw(PURPOSE.sampleInit, 0),
      noise: draw(PURPOSE.sampleNoise, first),
      t: i64(new Int32Array(batch).fill(first)),
      ancestral: f32([width], coefficients.slice(0, width)),
    },
    { model, state },
  );
}
