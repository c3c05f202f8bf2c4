// `npm run try-package`: installs the tarball with npm, pnpm and yarn, in a folder with spaces in its path, and uses it: the
// command's version and doctor, training and sampling, a program, and its types. Arguments name the package managers to try.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inFolder, pack, project, timed } from './packed.js';
import { fail, root } from './prepare.js';

/** How each installs a tarball without running scripts, and what else its package.json needs. */
const MANAGERS = {
  npm: { args: ['install', '--ignore-scripts', '--no-audit', '--no-fund'] },
  // Its newest version is a native program, which this script starts.
  pnpm: { fetch: 'pnpm@latest', main: 'bin/pnpm.mjs', args: ['add', '--ignore-scripts'] },
  yarn: {
    ...{ fetch: 'yarn@1', main: 'bin/yarn.js' },
    args: ['add', '--ignore-scripts', '--no-lockfile'],
  },
};

const PROGRAM = `import { grid, runConfig, sample, toImages, train, writePicture } from 'haze';

const config = runConfig({ data: 'toy-cars', preset: 'tiny', steps: 2, threads: 1 });
const { checkpoint } = await train({ config, out: 'a run' });
const { images, model } = await sample('a run', { count: 1, sampler: 'ddim', steps: 2 });
await writePicture('a car.png', grid(toImages(images, model)));
console.log(checkpoint);
`;

/** Only Node's types, and a full check of the package's declarations. */
const COMPILER = {
  ...{ module: 'nodenext', target: 'es2022', lib: ['es2023'], types: ['node'] },
  ...{ strict: true, noEmit: true, skipLibCheck: false },
  typeRoots: [join(root, 'node_modules', '@types')],
};

/** A package manager, fetched into a folder unless it is npm: the program and its first arguments. */
function fetchManager(folder, name) {
  const { fetch, main } = MANAGERS[name];
  if (!fetch) return [name];
  const place = project(folder, `manager ${name}`);
  timed(place, 'npm', ['install', '--no-audit', '--no-fund', fetch]);
  return [process.execPath, join(place, 'node_modules', name, main)];
}

/** Installs and uses the package in a new project. */
function tryWith(folder, tarball, name) {
  const [program, ...first] = fetchManager(folder, name);
  const place = project(folder, `by ${name}`);
  timed(place, program, [...first, ...MANAGERS[name].args, tarball]);
  const cli = join(place, 'node_modules', 'haze', 'dist', 'src', 'cli.js');
  const haze = (...args) => timed(place, process.execPath, [cli, ...args]).stdout;
  console.log(`${name}: haze ${haze('--version').trim()}`);
  haze('doctor');
  haze('train', 'toy-cars', '--preset', 'tiny', '--steps', '2', '--out', 'one run');
  haze('sample', 'one run', '--count', '1', '--sample-steps', '2', '--out', 'one car.png');
  for (const file of ['program.mjs', 'program.mts']) writeFileSync(join(place, file), PROGRAM);
  timed(place, process.execPath, ['program.mjs']);
  for (const made of ['one car.png', 'one run/loss.png', 'a car.png'])
    if (!existsSync(join(place, made)) || statSync(join(place, made)).size === 0)
      fail(`${name}: expected ${made}, got none`);
  const config = { compilerOptions: COMPILER, files: ['program.mts'] };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(config));
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  timed(place, process.execPath, [tsc]);
  console.log(`${name}: trains, samples, runs a program and compiles it`);
}

const wanted = process.argv.slice(2);
const other = wanted.find((name) => !Object.hasOwn(MANAGERS, name));
if (other) fail(`expected ${Object.keys(MANAGERS).join(', ')}, got ${other}`);
inFolder((folder) => {
  const { path } = pack(folder);
  for (const name of wanted.length > 0 ? wanted : Object.keys(MANAGERS))
    tryWith(folder, path, name);
});
