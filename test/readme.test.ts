import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { PRESET_NAMES, PRESETS, type Preset } from '../src/config/presets.js';
import { readMetrics } from '../src/io/metrics.js';
import { plural } from '../src/units.js';
import { haze } from './helpers/cli.js';
import { compiled } from './helpers/programs.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** The TypeScript example that follows `<!-- example -->` in the README. */
async function example(): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const found = /<!-- example[^>]*-->\s*```ts\n([\s\S]*?)```/.exec(readme);
  return found![1]!;
}

test("the tables of memory in the README and in the guide to training match inspect's output", async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const guide = await readFile(join(root, 'docs', 'guides', 'training.md'), 'utf8');
  const cells = (row: string) => row.split('|').map((cell) => cell.trim());
  const plan = async (...args: string[]) => {
    const { stdout } = await haze('.', ['inspect', '--threads', '2', ...args]);
    const [, training] = /^ +training, in all +(.*)$/m.exec(stdout)!;
    const [, largest] = /largest batch that does is ([\d,]+)\.$/m.exec(stdout)!;
    const [, parameters] = /^parameters +([\d,]+)$/m.exec(stdout)!;
    return { training, largest: `batch ${largest}`, parameters };
  };
  for (const preset of PRESET_NAMES) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${preset}\``));
    const { about, model, batch } = PRESETS[preset];
    const image = `${model.size}x${model.size}${model.channels === 1 ? ' grey' : ''}`;
    const [, , ...said] = cells(row!).slice(0, -1);
    const { parameters, training, largest } = await plan('--preset', preset);
    const widths = model.widths.join(', ');
    t.deepEqual(said, [about, image, widths, `${batch}`, parameters, training, largest]);
  }
  const [, batches, , training] =
    /(\| `npx haze inspect --threads 2 --batch`.*)\n(.*)\n(.*)/.exec(guide) ?? [];
  for (const [i, batch] of cells(batches!).slice(2, -1).entries())
    t.is(cells(training!)[i + 2], (await plan('--batch', batch)).training);
});

/** Minutes of so many seconds, to two digits. */
const minutesOf = (seconds: number): string => `${Number((seconds / 60).toPrecision(2))}`;

test("the README's table of recipes lists all of them, with their settings and times", async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, table] = /\n\| recipe \| .*\n.*\n((?:\|.*\n)*)/.exec(readme)!;
  const rows = table!.trimEnd().split('\n');
  const said = rows.map((row) => row.split('|').map((cell) => cell.trim()));
  const recipes = PRESET_NAMES.flatMap((name, i) => {
    const { recipe, batch, from }: Preset = PRESETS[name];
    const steps = recipe.training?.steps;
    if (!steps) return [];
    const measured = said.find(([, own]) => own === `\`${name}\``)?.[5] ?? `row ${i}`;
    const minutes = minutesOf((steps * batch) / Number(measured));
    const own = [
      `\`${name}\``,
      from ? plural(from, 'minute') : '–',
      plural(steps, 'step'),
      `${batch}`,
    ];
    return [[...own, measured, minutes]];
  });
  t.deepEqual(
    said.map((row) => row.slice(1, -1)),
    recipes,
  );
});

test("the README's example compiles against the package's types, runs, and writes its files", async (t) => {
  const folder = await compiled(t, { 'example.ts': await example() });
  const { stdout } = await run(process.execPath, ['example.js'], { cwd: folder });
  t.regex(stdout, /saved in \S+[\\/]runs[\\/]first[\\/]checkpoints[\\/]step-20/);
  t.regex(stdout, /^20 files in cars\/$/m);
  t.regex(stdout, /^\d+\.\d thousandths from the cars it was trained on$/m);
  const pictures = (await readdir(join(folder, 'cars'))).filter((name) => name.endsWith('.png'));
  t.is(pictures.length, 20);
  const metrics = await readMetrics(join(folder, 'runs', 'first', 'metrics.jsonl'));
  t.is(metrics.length, 20);
  const { format, width, height } = await sharp(join(folder, 'cars.png')).metadata();
  t.deepEqual({ format, width, height }, { format: 'png', width: 296, height: 296 });
});
