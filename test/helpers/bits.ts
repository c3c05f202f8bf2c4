/**
 * What the same seed gives on this Node, as hashes: weights and moments after some steps, and images by either sampler, of
 * each build and network. `npm run test:nodes` runs this file on several Nodes and compares what it prints; with the argument
 * `wide` in vectors of 256 bits, or `{}` where they cannot be had.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { bestBuild, lackOfWideVectors } from '../../src/engine/host/kernels.js';
import { type RunOptions, runConfig, sample, train } from '../../src/index.js';

/** Enough for Adam's rates to move, and for a checkpoint between. */
const STEPS = 6;

/** Hashes by what they are of. */
export type Bits = Readonly<Record<string, string>>;

/** The networks: BatchNorm, ReLU and Adam; GroupNorm, SiLU, attention, Muon with AdamW, and an average. */
const NETWORKS: Readonly<Record<string, Partial<RunOptions>>> = {
  simple: { preset: 'tiny' },
  unet2d: {
    ...{ network: 'unet2d', size: 16, widths: [16, 24], attention: [8], batch: 8 },
    ...{ optimizer: 'muon', clip: 1, ema: [0.9] },
  },
};

/** Trains and samples a small model of each network with each build that this machine runs. */
export async function bits(wide: boolean): Promise<Bits> {
  const builds = bestBuild() === 'relaxed' ? [true, false] : [true];
  const hashes: Record<string, string> = {};
  for (const strict of builds)
    for (const [network, options] of Object.entries(NETWORKS))
      for (const [name, hash] of await bitsOf(options, { strict, wide }))
        hashes[`${strict ? 'strict' : 'relaxed'} ${network} ${name}`] = hash;
  return hashes;
}

async function bitsOf(
  network: Partial<RunOptions>,
  kernels: { readonly strict: boolean; readonly wide: boolean },
): Promise<[string, string][]> {
  const folder = await mkdtemp(join(tmpdir(), 'haze-bits-'));
  const out = join(folder, 'run');
  try {
    const config = runConfig({
      data: 'toy-cars',
      ...network,
      schedule: 'cosine',
      steps: STEPS,
      saveEvery: 3,
      sampleEvery: 0,
      seed: 7,
      threads: 2,
      ...kernels,
    });
    const { checkpoint } = await train({ config, out });
    const files = ['model.safetensors', 'optimizer.safetensors'];
    const saved = files.map(
      async (file): Promise<[string, string]> => [
        file,
        hash(await readFile(join(checkpoint, file))),
      ],
    );
    const drawn = (['ancestral', 'ddim'] as const).map(
      async (sampler): Promise<[string, string]> => {
        const steps = sampler === 'ddim' ? { steps: 20, eta: 0.5 } : {};
        const options = { count: 2, sampler, ...kernels, seed: 7, threads: 2, ...steps };
        return [sampler, hash((await sample(checkpoint, options)).images)];
      },
    );
    return await Promise.all([...saved, ...drawn]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const asked = async (wide: boolean): Promise<Bits> =>
  wide && lackOfWideVectors() !== null ? {} : bits(wide);

const hash = (data: Uint8Array | Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

if (pathToFileURL(argv[1] ?? '').href === import.meta.url)
  process.stdout.write(`${JSON.stringify(await asked(argv[2] === 'wide'), null, 2)}\n`);
