/** `haze noise`: q(x_t|x_0) of one image at evenly spaced t, like the reference's first figure. */
import type { Args } from '../config/args.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
  readSeed,
} from '../config/computing.js';
import type { DiffusionConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS, readDiffusion, withDiffusion } from '../config/diffusion.js';
import { readSize } from '../config/network-settings.js';
import { PRESETS } from '../config/presets.js';
import { readFit } from '../config/training.js';
import type { Target } from '../data/decode.js';
import { readPicture } from '../data/one-picture.js';
import { openSource } from '../data/source.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { chooseDevice } from '../device/choose.js';
import { type AnyArithmetic, openArithmetic } from '../device/open.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { strip } from '../io/grid.js';
import { checkOutputPath } from '../io/output-path.js';
import { PICTURE_EXTENSIONS, writePicture } from '../io/pictures.js';
import { printable } from '../printable.js';
import { print } from './text.js';

/** Squares in the strip, from t = 0 to the last t. */
const MOMENTS = 10;

export async function run(args: Args): Promise<void> {
  const spec = args.positional('image', 'a picture file or toy-cars');
  const out = args.text('out') ?? 'noise.png';
  await checkOutputPath('--out', out, PICTURE_EXTENSIONS);
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(args) });
  await chooseDevice(computing, readRequireCuda(args));
  // The forward process does not depend on what a network predicts.
  const diffusion = withDiffusion({ ...DIFFUSION_DEFAULTS, objective: 'v' }, readDiffusion(args));
  const size = readSize(args) ?? PRESETS.reference.model.size;
  const seed = readSeed(args) ?? 0;
  const pixels = await readImage(spec, seed, { size, channels: 3, fit: readFit(args) ?? 'squash' });
  const ts = moments(diffusion.timesteps);
  const data = noised(await openArithmetic(computing), pixels, ts, diffusion, seed);
  await writePicture(
    out,
    strip({ data, count: ts.length, height: size, width: size, channels: 3 }),
  );
  print(`${printable(out)}: t = ${ts.join(', ')}\n`);
}

/** The image's pixels, or those of the first car of the seed. @throws UsageError if it is not a picture */
async function readImage(spec: string, seed: number, target: Target): Promise<Uint8Array> {
  const car = spec === TOY_CARS ? (await openSource(spec, seed)).item(0) : undefined;
  const { pixels, doubt } = await readPicture(spec, target, car);
  if (doubt !== undefined) process.stderr.write(`warning: ${printable(spec)}: ${doubt}\n`);
  return pixels;
}

/** Timesteps from 0 to T−1, evenly spaced. */
function moments(timesteps: number): number[] {
  const count = Math.min(MOMENTS, timesteps);
  if (count === 1) return [0];
  return Array.from({ length: count }, (_, i) => Math.round((i * (timesteps - 1)) / (count - 1)));
}

/** x_t at each t as bytes, with the same ε throughout, so that the squares show one path to noise. */
function noised(
  arithmetic: AnyArithmetic,
  pixels: Uint8Array,
  ts: readonly number[],
  diffusion: DiffusionConfig,
  seed: number,
): Uint8Array {
  const schedule = makeSchedule(diffusion);
  const x0 = arithmetic.toFloat(pixels);
  const noise = new CounterRandom(seed).normals(PURPOSE.forwardFigure, 0, 0, x0.length);
  const out = new Uint8Array(ts.length * pixels.length);
  for (const [i, t] of ts.entries()) {
    const signal = schedule.sqrtAlphaBar[t]!;
    const xt = arithmetic.qSample(x0, noise, signal, schedule.sqrtOneMinusAlphaBar[t]!);
    out.set(arithmetic.toBytes(xt), i * pixels.length);
  }
  return out;
}
