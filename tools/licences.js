// `npm run licences`: writes LICENCES.md, the licences of everything installed with Haze, from package-lock.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closure, nameOf } from './lock.js';
import { TENSORFLOW } from './npm-lock.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Permitted licences of dependencies, by their SPDX names; any other needs a decision. */
export const ALLOWED = [
  ...['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'Unlicense'],
  // libvips, which sharp loads as a separate shared library.
  'LGPL-3.0-or-later',
];

/** The names in an SPDX expression. */
const namesIn = (licence) => licence.split(/\s*(?:\(|\)|\bAND\b|\bOR\b)\s*/).filter(Boolean);

/** One row per package: name, versions, licence. @throws Error for a missing licence, or one not in `ALLOWED` */
function rows(packages, names) {
  const found = new Map();
  for (const path of closure(packages, names)) {
    const { version, license = '' } = packages[path];
    const other = namesIn(license).find((name) => !ALLOWED.includes(name));
    if (license === '' || other)
      throw new Error(`${nameOf(path)} ${version}: licence ${other ?? 'missing'}: not in ALLOWED`);
    const key = `${nameOf(path)} | ${license}`;
    found.set(key, [...new Set([...(found.get(key) ?? []), version])]);
  }
  return [...found.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, versions]) => {
      const [name, licence] = key.split(' | ');
      return `| ${name} | ${versions.join(', ')} | ${licence} |`;
    });
}

/** The document for a package.json and a lock file. */
export function licences({ dependencies }, { packages }) {
  const table = (names) =>
    ['| package | version | licence |', '| --- | --- | --- |', ...rows(packages, names)].join('\n');
  return `# Licences

Haze is under the MIT licence ([LICENSE](LICENSE)). Packages that npm installs with it are under these; what is for other
platforms, as most of sharp's binaries, is left out by npm. \`npm run licences\` writes this file out of package-lock.json.

${table(Object.keys(dependencies))}

## With \`haze setup tensorflow\`

It fetches these besides, the wheels of TensorFlow (Apache-2.0) and, with \`--cuda\`, NVIDIA's libraries, which are under NVIDIA's own terms.

${table([TENSORFLOW])}
`;
}

const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(
    join(root, 'LICENCES.md'),
    licences(read('package.json'), read('package-lock.json')),
  );
