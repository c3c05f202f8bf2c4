// Writes the lock file of the optional npm package, for `haze setup tensorflow`: npm never packs package-lock.json, so
// the relevant part is written into dist/.
import { readFileSync, writeFileSync } from 'node:fs';

const OPTIONAL = '@tensorflow/tfjs-node-gpu';

/** The entry of `packages` that Node finds for a dependency of the package at `from`. */
function resolve(packages, from, name) {
  for (
    let folder = from;
    ;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))
  ) {
    const path = `${folder}${folder && '/'}node_modules/${name}`;
    if (packages[path]) return path;
    if (folder === '') return undefined;
  }
}

/** Paths of a package and all its dependencies, in the lock file's order. */
function closure(packages, name) {
  const found = new Set();
  const visit = (path) => {
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies, optionalDependencies } = packages[path];
    for (const inner of Object.keys({ ...dependencies, ...optionalDependencies }))
      visit(resolve(packages, path, inner));
  };
  visit(resolve(packages, '', name));
  return Object.keys(packages).filter((path) => found.has(path));
}

/** Writes `target`: a lock file for a project that depends only on that package, each entry with its integrity hash. */
export function writeNpmLock(target) {
  const { lockfileVersion, packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const entries = closure(packages, OPTIONAL).map((path) => {
    // There it is a required dependency, which npm may not skip.
    const { optional: _, ...entry } = packages[path];
    if (!entry.integrity) throw new Error(`package-lock.json: ${path} has no integrity hash`);
    return [path, entry];
  });
  const root = { dependencies: { [OPTIONAL]: packages[`node_modules/${OPTIONAL}`].version } };
  const lock = {
    lockfileVersion,
    requires: true,
    packages: { '': root, ...Object.fromEntries(entries) },
  };
  writeFileSync(target, `${JSON.stringify(lock)}\n`);
}
