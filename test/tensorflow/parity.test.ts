import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { compareFixture } from '../../src/parity/compare-fixture.js';
import { Fixture } from '../../src/parity/fixture.js';
import { openSubject } from '../../src/parity/open-subject.js';
import { tensorflowTest } from '../helpers/tensorflow.js';
import { UNET_FIXTURES } from '../helpers/unet-fixture.js';

for (const name of UNET_FIXTURES)
  for (const eager of [false, true])
    tensorflowTest(`${name} passes parity, ${eager ? 'eager' : 'graph'}`, async (t) => {
      const url = new URL(`../../../test/fixtures/${name}.safetensors`, import.meta.url);
      const fixture = await Fixture.read(url.pathname);
      const computing = { ...COMPUTING_DEFAULTS, arithmetic: 'tensorflow', eager } as const;
      const groups = await compareFixture(
        fixture,
        await openSubject('tensorflow', computing, 'l1'),
      );
      t.true(groups.length >= 8, 'every group of the fixture');
      for (const { name, holds, worst } of groups)
        t.true(holds, `${name}: ${worst.tensor} is off by ${worst.error} of ${worst.tolerance}`);
    });
