// Folders of the packages that the program loads, relative to its root, the optional tfjs-node-gpu included: packages.mjs ROOT
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [root] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const found = new Set();

/** The folder that Node would find a package in, from another's: the innermost node_modules that has it. */
function locate(name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const folder = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    // Those of other systems are in the lock file, and are not installed.
    if (packages[folder]) return existsSync(join(root, folder)) ? folder : undefined;
    if (at === '') return undefined;
  }
}

function add(name, from) {
  const folder = locate(name, from);
  if (!folder || found.has(folder) || name.startsWith('@types/')) return;
  found.add(folder);
  const { dependencies = {}, optionalDependencies = {} } = packages[folder];
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) add(each, folder);
}

for (const name of [...Object.keys(own.dependencies), '@tensorflow/tfjs-node-gpu']) add(name, '');
console.log([...found].sort().join('\n'));
