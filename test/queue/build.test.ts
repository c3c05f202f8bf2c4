import { readFileSync } from 'node:fs';
import test from 'ava';
import { bestBuild, fusesMultiplyAdd, hashKernels } from '../../src/engine/host/kernels.js';
import { buildId } from '../../src/queue/build.js';
import { version } from '../../src/version.js';

test('a build is named by version, kind and hash of its kernels', (t) => {
  t.is(buildId(true), `${version()}-strict-${hashKernels('strict').slice(0, 12)}`);
  if (bestBuild() === 'relaxed') {
    const unfused = fusesMultiplyAdd() ? '' : '-unfused';
    const hash = hashKernels('relaxed').slice(0, 12);
    t.is(buildId(false), `${version()}-relaxed${unfused}-${hash}`);
  }
  t.not(hashKernels('strict'), hashKernels('relaxed'));
});

test('a product and sum are rounded once on a processor with FMA, and twice otherwise', (t) => {
  const features = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const fuses = fusesMultiplyAdd();
  if (bestBuild() === 'strict') t.false(fuses);
  else if (process.arch === 'arm64') t.true(fuses);
  else if (features !== '') t.is(fuses, /\bfma\b/.test(features));
  else t.pass('features of the processor are not known');
});
