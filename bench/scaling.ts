import { unetInputs } from '../src/bench/inputs.js';
import { MODELS } from '../src/bench/models.js';
import { median } from '../src/bench/statistics.js';
import { inPieces, pieceOf } from '../src/engine/claims.js';
import { host } from '../src/engine/host/index.js';
import { instantiate } from '../src/engine/module.js';
import { WasmNetwork } from '../src/engine/network/wasm-network.js';
import { type Call, type Phase, share } from '../src/engine/program.js';
import { UsageError } from '../src/errors.js';
import { type DividedCall, makespan } from './simulate.js';

/*
 * How well the work of a pass divides over more workers than this machine has cores: runs the program of N workers on one thread, piece by piece
 * as they would divide it, measures each piece, and simulates the workers that take them. What it finds is the balance of the load and
 * the cost of small pieces. Caches and the bandwidth of memory, which cores share, are not in it; nor are the barriers, one a phase,
 * whose number it prints.
 *
 *   node dist/bench/scaling.js [reference|tiny|unet2d-32|ddpm-cifar10-32] [train|forward] [batch, 8] [workers, 2,4,8,16] [rounds, 3]
 */

const [name = 'reference', what = 'train', ...numbers] = process.argv.slice(2);
const batch = Number(numbers[0] ?? 8);
const sizes = (numbers[1] ?? '2,4,8,16').split(',').map(Number);
const rounds = Number(numbers[2] ?? 3);
const whole = (n: number, most: number): boolean => Number.isInteger(n) && n >= 1 && n <= most;
if (
  !Object.hasOwn(MODELS, name) ||
  !['train', 'forward'].includes(what) ||
  !(whole(batch, 1e4) && whole(rounds, 1e4) && sizes.every((n) => whole(n, 256))) ||
  numbers.length > 3
) {
  process.stderr.write(
    `usage: node dist/bench/scaling.js [${Object.keys(MODELS).join('|')}] [train|forward] [BATCH] [N,N,… up to 256] [ROUNDS]\n`,
  );
  process.exit(2);
}
const { model } = MODELS[name as keyof typeof MODELS];
const timesteps = 300;
const inputs = unetInputs(model, batch, timesteps, 0);

type Kernels = Record<string, (...args: (number | boolean)[]) => void>;

/** Milliseconds of each piece of each worker's share of a call. */
function timeCall(kernels: Kernels, call: Call, index: number, workers: number): DividedCall {
  const run = kernels[call.kernel]!;
  const args = call.args.map((value) => (typeof value === 'object' ? value.base : value));
  return Array.from({ length: workers }, (_, rank) => {
    const [begin, end] = share(call, rank, workers);
    const all = Math.max(1, end - begin);
    const piece = inPieces(call, index, workers) ? pieceOf(begin, end, call) : all;
    const times: number[] = [];
    for (let first = begin; first < end; first += piece) {
      const begun = performance.now();
      run(...args, first, Math.min(first + piece, end));
      times.push(performance.now() - begun);
    }
    return times;
  });
}

/** Each piece's median over the rounds. */
function middle(runs: readonly (readonly DividedCall[])[]): DividedCall[] {
  return runs[0]!.map((call, c) =>
    call.map((times, rank) => times.map((_, i) => median(runs.map((run) => run[c]![rank]![i]!)))),
  );
}

/** The program for so many workers, and the pieces of its phases. */
async function measure(workers: number) {
  const training = what === 'train';
  const shape = { architecture: model, size: model.size, batch, timesteps };
  const { network } = WasmNetwork.create({ ...shape, training, threads: workers });
  await network.importState(inputs.state);
  const input = { xt: inputs.xt, t: inputs.t };
  if (training) await network.trainStep(input, inputs.noise, 1e-3);
  else await network.predict(input, 'running');
  const program = training ? network.trainSections() : network.predictSections();
  const phases = program.flatMap((section) => section.phases);
  const { build, wide, memory } = network.engine;
  const module = host.compile(build, wide);
  const kernels = instantiate(module, memory, wide) as unknown as Kernels;
  const runs = Array.from({ length: rounds }, () =>
    phases.map((phase) => phase.map((call, index) => timeCall(kernels, call, index, workers))),
  );
  await network.dispose();
  const pieces = phases.map((_, p) => middle(runs.map((run) => run[p]!)));
  const { description } = network.engine;
  return { phases, pieces, description };
}

const sum = (list: readonly number[]): number => list.reduce((all, one) => all + one, 0);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Milliseconds by kernel, added up. */
function byKernel(phases: readonly Phase[], ms: readonly number[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [p, [call]] of phases.entries())
    sums.set(call!.kernel, (sums.get(call!.kernel) ?? 0) + ms[p]!);
  return sums;
}

const one = await measure(1).catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
});
const alone = sum(one.pieces.flat(3));
const aloneByKernel = byKernel(
  one.phases,
  one.pieces.map((phase) => sum(phase.flat(2))),
);
say(`${name}, ${what}, batch ${batch}, ${one.description}: ${alone.toFixed(1)} ms`);
for (const workers of sizes) {
  const { phases, pieces } = await measure(workers);
  const spans = pieces.map((phase) => makespan(phase, workers));
  const [total, work] = [sum(spans), sum(pieces.flat(3))];
  say(
    `${workers} workers: ${total.toFixed(1)} ms, ${(alone / total / workers).toFixed(2)} of linear; ${phases.length} phases; the pieces take ${(work / alone).toFixed(2)} of one thread's time`,
  );
  const lost = [...byKernel(phases, spans)]
    .map(([kernel, ms]) => [kernel, ms - (aloneByKernel.get(kernel) ?? 0) / workers, ms] as const)
    .sort(([, a], [, b]) => b - a);
  for (const [kernel, idle, ms] of lost.slice(0, 4))
    say(`  ${kernel}: ${ms.toFixed(2)} ms, of which ${idle.toFixed(2)} more than its share`);
}
