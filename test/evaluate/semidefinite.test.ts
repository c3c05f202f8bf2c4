import { join } from 'node:path';
import test from 'ava';
import { Breath } from '../../src/evaluate/breath.js';
import { Moments } from '../../src/evaluate/moments.js';
import { requireSemidefinite } from '../../src/evaluate/semidefinite.js';
import { writeStatistics } from '../../src/io/statistics-file.js';
import { refuses } from '../helpers/cli.js';
import { featureFixture } from '../helpers/evaluation.js';
import { temporaryFolder } from '../helpers/folder.js';

test('Statistics whose covariance has a negative eigenvalue are refused by name', async (t) => {
  const path = join(await temporaryFolder(t), 'odd.npz');
  // Eigenvalues 3 and -1.
  const covariance = Float64Array.of(1, 2, 2, 1);
  await writeStatistics(path, { mean: Float64Array.of(0, 0), covariance });
  await refuses(
    t,
    ['evaluate', path, '--reference', path],
    /odd\.npz: "sigma": expected a covariance, whose eigenvalues are 0 or more, got one of -1\.000 \(the largest is 3\.000\)/,
  );
});

test('Eigenvalues that rounding to f32 makes negative are accepted', async (t) => {
  const { rows } = await featureFixture();
  const { data, features } = rows('few');
  const moments = new Moments(features);
  moments.add(data);
  const { mean, covariance } = moments.finish();
  const rounded = Float64Array.from(Float32Array.from(covariance));
  await t.notThrowsAsync(
    requireSemidefinite({ mean, covariance: rounded }, 'few.npz', new Breath()),
  );
});
