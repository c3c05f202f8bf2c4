/** Writes a sampler (Euler's method) and compares it with a built-in one from the same noise: node sampler.ts MODEL [STEPS] */
import { type CustomSampler, grid, load, toImages, writePicture } from 'haze';

const [path = 'runs/photos', steps = '20'] = process.argv.slice(2);

/** x' = α'·x̂_0 + σ'/σ·(x − α·x̂_0): keeps the noise in x and only changes its scale. */
const euler: CustomSampler = ({ steps, timesteps, signalAt }) =>
  Array.from({ length: steps }, (_, i) => {
    const time = (n: number) => ((timesteps - 1) * (steps - n)) / steps;
    const from = signalAt(time(i));
    const to = i + 1 < steps ? signalAt(time(i + 1)) : { alpha: 1, sigma: 0 };
    const kept = to.sigma / from.sigma;
    return { t: time(i), x: kept, x0: to.alpha - kept * from.alpha };
  });

await using model = await load(path);
const settings = { count: 8, seed: 1, steps: Number(steps) };
for (const [name, sampler] of [
  ['euler', euler],
  ['dpm++2m', 'dpm++2m'],
] as const) {
  const { images, pictures } = await model.sample({ ...settings, sampler });
  await writePicture(`${name}.png`, grid(toImages(images, pictures), { columns: 8 }));
  console.log(`${name}.png`);
}
