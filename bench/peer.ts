/**
 * One peer by itself, for one line of JSON:
 *
 *     npm run --silent bench:peer -- PyTorch train --preset tiny --batch 32 --rounds 7 --threads 2
 *
 * The peers are PyTorch, "PyTorch channels_last", "PIL and numpy", tfjs-node, "tfjs WASM backend", onnxruntime-node and
 * onnxruntime-web; their works: forward, train, "reverse step", load, gaussian, qSample, pSample, toFloat.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kernelInputs, writeKernelTask } from '../src/bench/arithmetic.js';
import { unetInputs } from '../src/bench/inputs.js';
import { PEERS } from '../src/bench/peer-list.js';
import { openPeers } from '../src/bench/peers.js';
import { writePhotographs } from '../src/bench/photographs.js';
import type { Subject, Work } from '../src/bench/result.js';
import { measure } from '../src/bench/rounds.js';
import { writeStepTask } from '../src/bench/sample.js';
import { temporarily } from '../src/bench/task.js';
import { writeUnetTask } from '../src/bench/unet.js';
import { Args } from '../src/config/args.js';
import { DIFFUSION_DEFAULTS } from '../src/config/diffusion.js';
import { PRESET_NAMES, PRESETS } from '../src/config/presets.js';
import { makeTrajectory } from '../src/diffusion/sampler.js';
import { makeSchedule } from '../src/diffusion/schedule.js';

const { values, positionals } = parseArgs({
  options: {
    preset: { type: 'string', default: 'reference' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string', default: '0' },
  },
  allowPositionals: true,
});
const args = new Args(values);
const [name = '', what = ''] = positionals;
const preset = args.oneOf('preset', PRESET_NAMES)!;
const { model } = PRESETS[preset];
const whole = (flag: string, min: number) => args.whole(flag, { min })!;
const [batch, threads, seed] = [whole('batch', 1), whole('threads', 1), whole('seed', 0)];

const work: Work = { subject: subjectOf(what), what, model: preset, batch, size: model.size };
const known = PEERS.filter((peer) => peer.name === name).flatMap(({ works }) => works);
if (!known.includes(what)) {
  const all = PEERS.map((peer) => `${peer.name}: ${peer.works.join(', ')}`);
  console.error(`expected a peer and its work, got ${name} ${what}; there are\n${all.join('\n')}`);
  process.exit(2);
}
await temporarily(async (folder) => {
  const file = await writeInputs(folder);
  const task = { file, threads, ...(work.subject === 'preprocess' && { size: model.size }) };
  const repeat = work.subject === 'arithmetic' ? 9 : 1;
  const peers = await openPeers(work, task, { repeat }, (peer) => peer.name === name);
  try {
    const options = { rounds: whole('rounds', 1), tolerance: 0, pause: 0, onNote: () => undefined };
    const [result] = await measure(work, peers.contenders, options);
    const [missing] = peers.missing;
    console.log(JSON.stringify({ ...(result ?? missing), versions: peers.versions }));
    process.exitCode = result ? 0 : 1;
  } finally {
    await peers.close();
  }
});

function subjectOf(what: string): Subject {
  if (what === 'load') return 'preprocess';
  if (what === 'reverse step') return 'sample';
  return what === 'forward' || what === 'train' ? 'unet' : 'arithmetic';
}

async function writeInputs(folder: string): Promise<string> {
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const unet = () => unetInputs(model, batch, schedule.timesteps, seed);
  switch (work.subject) {
    case 'arithmetic':
      return writeKernelTask(folder, kernelInputs(model, batch, seed));
    case 'preprocess':
      await writePhotographs(join(folder, 'photographs'), batch, seed);
      return join(folder, 'photographs');
    case 'sample': {
      const trajectory = makeTrajectory(schedule, { sampler: 'ancestral' });
      return writeStepTask(folder, model, batch, trajectory, unet(), seed);
    }
    default:
      return writeUnetTask(folder, model, batch, unet());
  }
}
