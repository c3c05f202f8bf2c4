/**
 * Run by Node with the condition `browser`: opens what `haze export web` wrote, as a browser does, and prints what it draws of it.
 * Arguments: the folder, settings in JSON.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aboutOf } from '../../src/browser/about.js';
import { draw } from '../../src/browser/draw.js';
import { openSite } from '../../src/browser/open-site.js';
import { inProgramsWords } from '../../src/browser/words.js';
import { loadKernels } from '../../src/engine/host/browser-kernels.js';
import { digest } from './digest.js';

const [folder, settings] = process.argv.slice(2) as [string, string];
const read = (name: string) => readFile(join(folder, name));
const build = await loadKernels((kind) => read(`haze.${kind}.wasm`));
const model = JSON.parse(String(await read('model.json'))) as Record<string, object | null>;
const guide = model.guide && { guide: await read('guide.safetensors') };
const decoder = model.autoencoder && { decoder: await read('decoder.safetensors') };
const site = await openSite(
  { model, weights: await read('weights.safetensors'), ...guide, ...decoder },
  () => {},
);
const steps: number[] = [];
const hooks = {
  signal: new AbortController().signal,
  onProgress: (done: number) => void steps.push(done),
};
try {
  const { images, grid } = await draw(site, JSON.parse(settings) as object, hooks);
  const drawn = { images: digest(images), grid: digest(grid.data) };
  process.stdout.write(JSON.stringify({ about: aboutOf(site, build), steps, ...drawn }));
} catch (error) {
  process.stdout.write(JSON.stringify({ refused: inProgramsWords((error as Error).message) }));
}
