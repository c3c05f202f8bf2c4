import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../../src/errors.js';
import { PACKAGE, PACKAGE_VERSION, packageCache } from '../../../src/tensorflow/package.js';
import {
  fetchPackage,
  type NpmLock,
  pinnedLock,
} from '../../../src/tensorflow/setup/fetch-package.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { filesBelow } from '../../helpers/setup.js';

const integrityOf = (bytes: Uint8Array): string =>
  `sha512-${createHash('sha512').update(bytes).digest('base64')}`;

/** What `npm pack` makes of a package with this one line of code. */
async function tarball(folder: string, code: string): Promise<Buffer> {
  await mkdir(folder);
  const manifest = { name: PACKAGE, version: PACKAGE_VERSION, main: 'index.js' };
  await writeFile(path.join(folder, 'package.json'), JSON.stringify(manifest));
  await writeFile(path.join(folder, 'index.js'), code);
  const { stdout } = await promisify(execFile)('npm', ['pack', '--json'], { cwd: folder });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return readFile(path.join(folder, filename));
}

/** A registry that has one package, whatever is asked for, and says of it what is true. */
async function registry(t: ExecutionContext, bytes: Buffer): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.tgz')) response.end(bytes);
    else {
      const dist = { tarball: `${url}a.tgz`, integrity: integrityOf(bytes) };
      const version = { name: PACKAGE, version: PACKAGE_VERSION, dist };
      const tags = { latest: PACKAGE_VERSION };
      const versions = { [PACKAGE_VERSION]: version };
      response.end(JSON.stringify({ name: PACKAGE, 'dist-tags': tags, versions }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return url;
}

/** A lock file of the package alone, with these bytes. */
const lockOf = (bytes: Buffer): NpmLock => {
  const entry = { version: PACKAGE_VERSION, integrity: integrityOf(bytes) };
  return {
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { [PACKAGE]: PACKAGE_VERSION } },
      [`node_modules/${PACKAGE}`]: entry,
    },
  };
};

test('the package is fetched if it matches the lock file, and refused otherwise', async (t) => {
  const folder = await temporaryFolder(t);
  const cache = path.join(folder, 'cache');
  const right = await tarball(path.join(folder, 'right'), 'exports.right = true;\n');
  const wrong = await tarball(path.join(folder, 'wrong'), 'exports.wrong = true;\n');
  const env = (url: string) => ({
    ...process.env,
    npm_config_registry: url,
    npm_config_cache: path.join(folder, 'npm'),
  });
  await t.throwsAsync(fetchPackage(cache, env(await registry(t, wrong)), lockOf(right)), {
    instanceOf: RunError,
    message: /does not have its pinned hash; .* nothing was installed/,
  });
  t.deepEqual(await filesBelow(cache), []);
  await fetchPackage(cache, env(await registry(t, right)), lockOf(right));
  const installed = path.join(packageCache(cache), 'node_modules', PACKAGE, 'index.js');
  t.is(await readFile(installed, 'utf8'), 'exports.right = true;\n');
});

test('a missing npm is reported', async (t) => {
  const cache = await temporaryFolder(t);
  await t.throwsAsync(fetchPackage(cache, { PATH: '' }, lockOf(Buffer.alloc(0))), {
    instanceOf: RunError,
    message: /npm could not fetch @tensorflow\/tfjs-node-gpu@4\.22\.0: no npm on the PATH/,
  });
});

test("every fetched package has the hash of Haze's own lock file", (t) => {
  const { '': root, ...others } = pinnedLock().packages;
  t.deepEqual(root, { dependencies: { [PACKAGE]: PACKAGE_VERSION } });
  t.is(others[`node_modules/${PACKAGE}`]?.version, PACKAGE_VERSION);
  t.true(Object.keys(others).length > 50);
  const own = JSON.parse(readFileSync('package-lock.json', 'utf8')) as NpmLock;
  for (const [name, entry] of Object.entries(others)) {
    t.regex(entry.integrity ?? '', /^sha512-[\w+/]{86}==$/, name);
    t.is(entry.integrity, own.packages[name]?.integrity, name);
    t.false('optional' in entry, name);
  }
});
