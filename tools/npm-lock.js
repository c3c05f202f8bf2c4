// Writes the lock file of TensorFlow's npm package, for `haze setup tensorflow`: npm never packs package-lock.json, so
// the part of it that matters goes into dist/.
import { readFileSync, writeFileSync } from 'node:fs';
import { closure } from './lock.js';

export const TENSORFLOW = '@tensorflow/tfjs-node-gpu';

/** Writes `target`: a lock file for a project that depends only on that package, each entry with its integrity hash. */
export function writeNpmLock(target) {
  const { lockfileVersion, packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const entries = closure(packages, [TENSORFLOW]).map((path) => {
    // There it is what the project needs, and nothing that npm may drop.
    const { optional: _, dev: __, devOptional: ___, ...entry } = packages[path];
    if (!entry.integrity) throw new Error(`package-lock.json: ${path} has no integrity hash`);
    return [path, entry];
  });
  const root = { dependencies: { [TENSORFLOW]: packages[`node_modules/${TENSORFLOW}`].version } };
  const lock = {
    lockfileVersion,
    requires: true,
    packages: { '': root, ...Object.fromEntries(entries) },
  };
  writeFileSync(target, `${JSON.stringify(lock)}\n`);
}
