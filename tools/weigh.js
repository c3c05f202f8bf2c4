// `npm run weigh`: the size and duration of an install of the package, alone and with the optional TensorFlow package.
// Each is installed twice: with an empty npm cache, and with a filled one.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TENSORFLOW } from './npm-lock.js';
import { bytesBelow, inFolder, pack, project, timed } from './packed.js';

/** Number of heaviest packages to list. */
const HEAVIEST = 10;

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Paths of the packages in a node_modules. */
function packagesIn(modules) {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@')
        ? readdirSync(join(modules, name)).map((own) => `${name}/${own}`)
        : [name],
    );
}

/** All packages, including nested ones. */
function count(folder) {
  const modules = join(folder, 'node_modules');
  if (!existsSync(modules)) return 0;
  const names = packagesIn(modules);
  return names.reduce((sum, name) => sum + 1 + count(join(modules, name)), 0);
}

inFolder((folder) => {
  const tarball = pack(folder);
  console.log(
    `tarball: ${megabytes(tarball.size)}, ${tarball.entryCount} files of ${megabytes(tarball.unpackedSize)}`,
  );
  for (const [title, others] of [
    ['alone', []],
    [`with ${TENSORFLOW}`, [TENSORFLOW]],
  ]) {
    const place = project(folder, 'weighed');
    const cache = join(folder, 'cache');
    // Its install script would download a library, which `haze setup tensorflow` does.
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache];
    const install = () =>
      timed(place, 'npm', ['install', ...flags, tarball.path, ...others]).seconds;
    const first = install();
    const modules = join(place, 'node_modules');
    const weights = packagesIn(modules)
      .map((name) => ({ name, bytes: bytesBelow(join(modules, name)) }))
      .sort((a, b) => b.bytes - a.bytes);
    const all = weights.reduce((sum, { bytes }) => sum + bytes, 0);
    rmSync(modules, { recursive: true });
    const again = install();
    console.log(
      `\n${title}: ${count(place)} packages, ${megabytes(all)}; ${first.toFixed(1)} s, and ${again.toFixed(1)} s with npm's cache`,
    );
    for (const { name, bytes } of weights.slice(0, HEAVIEST))
      console.log(`${megabytes(bytes).padStart(12)}  ${name}`);
    for (const left of [place, cache]) rmSync(left, { recursive: true });
  }
});
