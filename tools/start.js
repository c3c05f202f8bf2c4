// `npm start`, on a fresh clone with nothing installed: trains a small model on toy-cars for about three
// minutes on two cores and draws pictures from it. Each start makes a new run; none is overwritten.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { haze, hazeUntilCtrlC } from './haze.js';
import { build, install, root } from './prepare.js';
import { showRun } from './show-run.js';

install();
build();

const number = nextNumber(join(root, 'runs'));
const folder = join('runs', String(number));
const at = (name) => join(folder, name);
// Another seed for each run: other weights, other cars.
const seed = ['--seed', String(number - 1)];

const began = Date.now();
// Drawings have plain areas, on which timesteps mostly from the middle would leave grain.
const how = ['toy-cars', '--preset', 'minutes-32', '--time-sampling', 'uniform'];
haze('train', ...how, '--out', folder, ...seed);
const minutes = ((Date.now() - began) / 60000).toFixed(1);
haze(
  'sample',
  folder,
  '--count',
  '36',
  '--out',
  at('samples.png'),
  '--film',
  at('film.png'),
  ...seed,
);
// The forward process that the preset learns to reverse.
const forward = ['--timesteps', '1000', '--schedule', 'cosine'];
haze('noise', 'toy-cars', '--size', '32', ...forward, '--out', at('noise.png'), ...seed);

console.log(`
Trained for ${minutes} minutes. Look at:
  ${at('samples.png')}  new cars, from noise alone
  ${at('film.png')}     from noise to car
  ${at('noise.png')}    a car that turns into noise: the model learns to reverse this
  ${at('loss.png')}     the loss, step by step

Next, with \`npx haze\`:
  npx haze train toy-cars --preset pictures-32 --minutes 30    a larger network, for longer
  npx haze train path/to/photographs --preset pictures-32      your own images
  npx haze --help`);
showRun(folder, process.stdout.isTTY === true, hazeUntilCtrlC);

/** The first free run number. */
function nextNumber(runs) {
  const names = existsSync(runs) ? readdirSync(runs) : [];
  const taken = names.filter((name) => /^\d{1,15}$/.test(name)).map(Number);
  return Math.max(0, ...taken) + 1;
}
