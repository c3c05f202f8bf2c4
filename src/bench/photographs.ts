/** Pictures that take as much work to decode as photographs; seeded, so every run decodes the same ones. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { carPicture } from '../data/toy-cars.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';

/** Side in pixels. */
export const SIDE = 512;

/** Standard deviation of the grain, in levels: at this JPEG quality it makes files as large as photographs. */
const GRAIN = 10;
const QUALITY = 90;

/** Distinct pictures; further files are copies, which take as much work to decode. */
const DRAWN = 64;

/** Writes `count` JPEG files of a drawn scene with film grain. Resolves to their paths. */
export async function writePhotographs(
  folder: string,
  count: number,
  seed: number,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths = Array.from({ length: count }, (_, i) =>
    join(folder, `${String(i).padStart(4, '0')}.jpg`),
  );
  for (const [i, path] of paths.entries())
    await (i < DRAWN ? draw(path, seed, i) : copyFile(paths[i % DRAWN]!, path));
  return paths;
}

async function draw(path: string, seed: number, index: number): Promise<void> {
  const { default: sharp } = await import('sharp');
  const drawing = sharp(Buffer.from(carPicture(seed, index, SIDE))).resize(SIDE, SIDE);
  const scene = await drawing.removeAlpha().raw().toBuffer();
  const grain = new CounterRandom(seed).normals(PURPOSE.bench, 100 + index, 0, scene.length);
  const pixels = Uint8ClampedArray.from(scene, (level, k) => level + GRAIN * grain[k]!);
  const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
  await sharp(pixels, { raw }).jpeg({ quality: QUALITY }).toFile(path);
}
