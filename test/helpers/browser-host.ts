/**
 * Run by Node with the condition `browser`: the engine has its host for browsers, in which this thread computes by itself. Prints
 * what a network predicts, and why there is no second worker.
 */
import { readFile } from 'node:fs/promises';
import { loadKernels } from '../../src/engine/host/browser-kernels.js';
import { predicted } from './predicted.js';

const build = await loadKernels((kind) =>
  readFile(new URL(`../../assembly/haze.${kind}.wasm`, import.meta.url)),
);
const alone = await predicted(1);
const several = await predicted(2).catch((error: Error) => error.message);
process.stdout.write(JSON.stringify({ build, alone, several }));
