import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CounterRandom } from '../../src/diffusion/random.js';
import { Breath } from '../../src/evaluate/breath.js';
import { compareFeatures } from '../../src/evaluate/compare-features.js';
import { frechetDistance } from '../../src/evaluate/frechet.js';
import { Moments } from '../../src/evaluate/moments.js';
import { readStatistics, writeStatistics } from '../../src/io/statistics-file.js';
import { fixturePath } from '../helpers/cli.js';
import { featureFixture } from '../helpers/evaluation.js';
import { temporaryFolder } from '../helpers/folder.js';
import { pythonJson, pythonTest } from '../helpers/python.js';

/** bench/peers/judge.py's own functions on the features of a file, and statistics as pytorch-fid reads and writes them. */
const PROGRAM = `
import json, sys
import numpy as np
from safetensors.torch import load_file
sys.path.insert(0, sys.argv[1])
from judge import frechet, kernel_distance
sets = {name: value.double() for name, value in load_file(sys.argv[2]).items() if name in ('a', 'b', 'few')}
pairs = [('a', 'b'), ('few', 'b'), ('b', 'few')]
out = {f'{x}_{y}': [frechet(sets[x], sets[y]), kernel_distance(sets[x], sets[y])] for x, y in pairs}
with np.load(sys.argv[3]) as written:
    out['mu'], out['sigma'] = [float(np.abs(written[key] - own).max() / np.abs(own).max()) for key, own in
        (('mu', sets['a'].numpy().mean(0)), ('sigma', np.cov(sets['a'].numpy(), rowvar=False)))]
b = sets['b'].numpy()
np.savez(sys.argv[4], mu=np.mean(b, axis=0), sigma=np.cov(b, rowvar=False))
print(json.dumps(out))
`;

const SAME =
  "Fréchet and kernel distances match judge.py's functions, and statistics are exchanged both ways";
const MODULES = ['torch', 'safetensors', 'h5py', 'PIL', 'numpy'];
pythonTest(SAME, MODULES, async (t, python) => {
  const { rows } = await featureFixture();
  const statistics = (name: string) => {
    const { data, features } = rows(name);
    const moments = new Moments(features);
    moments.add(data);
    return moments.finish();
  };
  const folder = await temporaryFolder(t);
  const [written, made] = [join(folder, 'written.npz'), join(folder, 'made.npz')];
  await writeStatistics(written, statistics('a'));
  const judge = fileURLToPath(new URL('../../../bench/peers', import.meta.url));
  const features = fixturePath('evaluation/features.safetensors');
  const found = (await pythonJson(python, '-c', PROGRAM, judge, features, written, made)) as Record<
    string,
    number | [number, number]
  >;
  for (const [a, b] of [['a', 'b'] as const, ['few', 'b'] as const, ['b', 'few'] as const]) {
    const [frechet, kernel] = found[`${a}_${b}`] as [number, number];
    const options = { subsets: 1, subsetSize: 5, neighbours: 3 };
    const own = await frechetDistance(statistics(a), statistics(b));
    const { kernel: distance } = await compareFeatures(
      ...([rows(a), rows(b), options, new CounterRandom(0), new Breath()] as const),
    );
    t.true(Math.abs(own - frechet) < 1e-3 * frechet, `${a} ${b}: ${own}, judge.py ${frechet}`);
    t.true(
      Math.abs(distance.all - kernel) < 1e-3 * Math.abs(kernel),
      `${a} ${b}: ${distance.all}, judge.py ${kernel}`,
    );
  }
  t.true((found.mu as number) < 1e-12 && (found.sigma as number) < 1e-12, 'read by NumPy');
  const own = await frechetDistance(statistics('a'), await readStatistics(made));
  const [wanted] = found.a_b as [number, number];
  t.true(Math.abs(own - wanted) < 1e-3 * wanted, `${own}, judge.py ${wanted}`);
});
