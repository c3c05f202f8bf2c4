import { join } from 'node:path';
import test from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import {
  type DrawStep,
  type DrawWithSettings,
  drawWith,
  Interrupted,
  makeSchedule,
  type Network,
  type Objective,
  SAMPLER_NAMES,
  type SamplerName,
  ShapeError,
  sample,
  UsageError,
  writeSafetensors,
} from '../../src/index.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close, values } from '../helpers/kernels.js';

async function all(network: Network, settings: DrawWithSettings): Promise<DrawStep[]> {
  const steps: DrawStep[] = [];
  for await (const step of drawWith(network, settings)) steps.push(step);
  return steps;
}

const TARGET = values(12, 9);
const T = 200;
const { exact } = makeSchedule({
  schedule: 'linear',
  timesteps: T,
  betaStart: 1e-4,
  betaEnd: 0.02,
});

/** α and σ at a timestep that may lie between two: what diffusers interpolates is σ/α. */
function signalAt(t: number): [alpha: number, sigma: number] {
  const level = (i: number) => Math.sqrt(1 / exact.alphaBar[i]! - 1);
  const low = Math.min(Math.floor(t), T - 2);
  const own = level(low) + (t - low) * (level(low + 1) - level(low));
  const alpha = 1 / Math.sqrt(1 + own ** 2);
  return [alpha, own * alpha];
}

/** The best network for a data set of one image: what it predicts is what leads there. */
const PERFECT: Record<Objective, Network> = {
  x0: (x) => Float32Array.from(x, (_, i) => TARGET[i % 12]!),
  epsilon: (x, t) => {
    const [alpha, sigma] = signalAt(t);
    return x.map((v, i) => (v - alpha * TARGET[i % 12]!) / sigma);
  },
  v: (x, t) => {
    const [alpha, sigma] = signalAt(t);
    return x.map(
      (v, i) => (alpha * (v - alpha * TARGET[i % 12]!)) / sigma - sigma * TARGET[i % 12]!,
    );
  },
  flow: async (x, t) => x.map((v, i) => (v - TARGET[i % 12]!) / (t / 1000)),
};

const objectivesOf = (sampler: SamplerName): Objective[] => {
  if (sampler === 'flow-euler') return ['flow'];
  const solver = sampler.startsWith('dpm') || ['unipc', 'euler', 'heun'].includes(sampler);
  return solver ? ['epsilon', 'x0', 'v', 'flow'] : ['epsilon', 'x0', 'v'];
};

for (const sampler of SAMPLER_NAMES)
  for (const objective of objectivesOf(sampler))
    test(`${sampler} with the ideal network for one image ends at that image: ${objective}`, async (t) => {
      const settings = {
        values: 12,
        count: 2,
        timesteps: T,
        objective,
        sampler,
        steps: 8,
        seed: 3,
      };
      const steps = await all(PERFECT[objective], settings);
      const length = sampler === 'heun' ? 15 : 8;
      t.deepEqual(
        steps.map(({ step }) => step),
        Array.from({ length }, (_, i) => i + 1),
      );
      t.true(steps.every((step) => step.steps === length));
      const { x } = steps.at(-1)!;
      // f32 of 1/α of up to 3 and, for flow, of a last difference.
      close(t, x, [...TARGET, ...TARGET], { atol: 2e-5 });
      // From noise that differs, by steps that do.
      t.notDeepEqual(steps[0]!.x.slice(0, 12), steps[0]!.x.slice(12));
    });

test("drawWith a model's network draws the images of sample", async (t) => {
  const architecture = {
    kind: 'simple',
    widths: [4, 8],
    channels: 3,
    timeDim: 4,
    norm: 'separate',
  } as const;
  const path = join(await temporaryFolder(t), 'model.safetensors');
  const state = initialState(buildNetwork(architecture), new CounterRandom(1));
  await writeSafetensors(path, state);
  const { network } = WasmNetwork.create({
    ...{ architecture, size: 8, batch: 2, timesteps: 30, threads: 1, training: false },
  });
  t.teardown(() => network.dispose());
  await network.importState(state);
  const predict: Network = (xt, time) =>
    network.predict({ xt, t: new Float32Array(2).fill(time) }, 'running');
  for (const how of [
    { sampler: 'dpm++sde', steps: 5 },
    { sampler: 'heun', steps: 3, karras: true },
    { sampler: 'ancestral' },
  ] as const) {
    const given = { ...how, timesteps: 30, count: 2, seed: 4 };
    const steps = await all(predict, { ...given, values: 192 });
    const { images } = await sample(path, { ...given, size: 8, threads: 1 });
    t.deepEqual(steps.at(-1)!.x, images);
  }
});

test('custom noise replaces the noise of the seed', async (t) => {
  const noise = values(12, 5);
  const settings = { values: 12, sampler: 'ddim', steps: 3, noise } as const;
  const seen: Float32Array[] = [];
  const network: Network = (x) => {
    seen.push(x.slice());
    x.fill(7); // Its own to write to.
    return new Float32Array(12);
  };
  await all(network, settings);
  t.deepEqual(seen[0], noise);
  t.deepEqual(noise, values(12, 5));
  t.false(seen[1]!.includes(7));
});

test('invalid settings are refused by name', async (t) => {
  const network: Network = (x) => x;
  const wrong: [settings: object, message: RegExp, error: new (...args: never[]) => Error][] = [
    [{}, /^drawWith\.values: expected a whole number of 1 or more, got nothing$/, UsageError],
    [{ values: 12, sampler: 'eular' }, /^drawWith\.sampler: .*did you mean euler/, UsageError],
    [{ values: 12, stpes: 3 }, /^drawWith\.stpes: unknown/, UsageError],
    [{ values: 12, class: 'x' }, /^drawWith\.class: unknown field/, UsageError],
    [{ values: 12, guidance: 2 }, /^drawWith\.guidance: unknown field/, UsageError],
    [{ values: 12, guide: 'x' }, /^drawWith\.guide: unknown field/, UsageError],
    [
      { values: 2 ** 30, count: 65_536 },
      /^drawWith\.count: expected at most 1 image of 1073741824 values, got 65536$/,
      UsageError,
    ],
    [
      { values: 12, sampler: 'ddim', objective: 'flow' },
      /^drawWith\.sampler: ddim does not support/,
      UsageError,
    ],
    [
      { values: 12, noise: new Float32Array(3) },
      /^drawWith\.noise: expected 12 values, got 3$/,
      ShapeError,
    ],
  ];
  for (const [settings, message, instanceOf] of wrong)
    await t.throwsAsync(all(network, settings as DrawWithSettings), { instanceOf, message });
  await t.throwsAsync(
    all(() => new Float32Array(11), { values: 12 }),
    {
      instanceOf: ShapeError,
      message: "drawWith: the network's output: expected 12 values, got 11",
    },
  );
  await t.throwsAsync(all((() => undefined) as never, { values: 12 }), {
    instanceOf: ShapeError,
    message: "drawWith: the network's output: expected a Float32Array of 12 values, got nothing",
  });
});

test('an abort ends drawing before the next step', async (t) => {
  const controller = new AbortController();
  let calls = 0;
  const network: Network = (x) => {
    if (++calls === 2) controller.abort();
    return x;
  };
  const { signal } = controller;
  await t.throwsAsync(all(network, { values: 12, signal }), { instanceOf: Interrupted });
  t.is(calls, 2);
});
