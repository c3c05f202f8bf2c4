/** The process started by other-vectors.ts: its task is the first argument, as JSON. It ends when its input ends. */
import { createInterface } from 'node:readline';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import { version } from '../version.js';
import { unetInputs } from './inputs.js';
import { trainingOf } from './models.js';
import type { OtherTask } from './other-vectors.js';
import { unetShape, unetTurn } from './unet-turn.js';

const task = JSON.parse(process.argv[2]!) as OtherTask;
const { model, recipe: _, batch, seed, what, ...engine } = task;
const inputs = unetInputs(model, batch, DIFFUSION_DEFAULTS.timesteps, seed);
const training = what === 'train';
const { network } = WasmNetwork.create({ ...unetShape(task), ...engine, training });
await network.importState(inputs.state);
const { check, turn } = unetTurn(network, what, inputs, trainingOf(task).lr);

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ version });
let checked = false;
for await (const _ of createInterface({ input: process.stdin })) {
  // The first result is checked, the others are timed.
  if (checked) say({ ms: await turn(), digest: [] });
  else say({ ms: 0, digest: await check() });
  checked = true;
}
await network.dispose();
