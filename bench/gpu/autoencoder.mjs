// An AutoencoderTiny of TAESD's size and random weights on the tensorflow device, as JSON: autoencoder.mjs ROOT FOLDER SIDE BATCH REPEATS.
// Pictures of SIDE pixels are encoded and decoded one by one, as the program does it, and BATCH at a time. FOLDER gets the autoencoder,
// and pictures.safetensors with what is encoded and decoded and what came of it (NHWC), for torch_autoencoder.py.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [root, folder, ...numbers] = process.argv.slice(2);
const [size, batch, repeats] = numbers.map(Number);
if (!(size > 0 && size % 8 === 0 && batch > 0 && repeats > 0)) {
  console.error('usage: node autoencoder.mjs ROOT FOLDER SIDE BATCH REPEATS');
  process.exit(2);
}
const load = (path) => import(pathToFileURL(join(root, 'dist/src', path)));
const { COMPUTING_DEFAULTS } = await load('config/computing.js');
const { openAutoencoder } = await load('device/open-autoencoder.js');
const { noTimes, openGraph } = await load('device/open-graph.js');
const { CounterRandom, PURPOSE } = await load('diffusion/random.js');
const { findAutoencoder } = await load('io/autoencoder.js');
const { writeSafetensors } = await load('io/safetensors.js');
const { median, quartiles } = await load('bench/statistics.js');
const { buildDecoder, buildEncoder, readAutoencoderConfig } = await load('network/autoencoder.js');
const { initialState } = await load('network/initial-state.js');
const { decoderInput } = await load('network/latents.js');

const json = { _class_name: 'AutoencoderTiny' };
const config = readAutoencoderConfig('an autoencoder', json);
const side = size / 8;
const halves = [buildEncoder(config, size), buildDecoder(config, side)].map((graph, seed) => ({
  graph,
  state: initialState(graph, new CounterRandom(seed)),
}));
const random = new CounterRandom(0);
const images = (pixels, channels, index) => ({
  dtype: 'F32',
  shape: [batch, pixels, pixels, channels],
  data: random.normals(PURPOSE.bench, index, 0, batch * pixels ** 2 * channels).map(Math.tanh),
});
const given = { encode: images(size, 3, 0), decode: images(side, config.latentChannels, 1) };

await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'config.json'), JSON.stringify(json));
const weights = new Map(halves.flatMap(({ state }) => [...state]));
await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), weights);

/** Milliseconds of a picture; the first runs, in which kernels are chosen, do not count. */
async function timed(what, pictures, work) {
  const times = [];
  for (let i = -3; i < repeats; i++) {
    const begun = performance.now();
    await work();
    if (i >= 0) times.push((performance.now() - begun) / pictures);
  }
  const spread = quartiles(times);
  return { device: 'tensorflow', what, batch: pictures, ms: median(times), spread };
}

const computing = { ...COMPUTING_DEFAULTS, device: 'tensorflow' };
const results = [];
const made = {};
const single = await openAutoencoder(findAutoencoder(folder), side, {
  computing,
  requireCuda: false,
});
const { description } = single;
for (const [what, { data }] of Object.entries(given)) {
  made[what] = await single[what](data);
  const first = data.subarray(0, data.length / batch);
  results.push(await timed(what, 1, () => single[what](first)));
}
await single.dispose();

const t = noTimes(batch);
const inputs = { encode: given.encode.data, decode: decoderInput(config, given.decode.data) };
for (const [i, [what, xt]] of Object.entries(inputs).entries()) {
  const use = { batch, training: false };
  const { network } = await openGraph('tensorflow', computing, halves[i].graph, use);
  await network.importState(halves[i].state);
  results.push(await timed(what, batch, () => network.predict({ xt, t }, 'running')));
  await network.dispose();
}

const { encode: pictures, decode: latents } = given;
const tensors = {
  pictures,
  latents,
  encoded: { ...latents, data: made.encode },
  decoded: { ...pictures, data: made.decode },
};
await writeSafetensors(join(folder, 'pictures.safetensors'), new Map(Object.entries(tensors)));
console.log(JSON.stringify({ description, size, results }));
