import test, { type ExecutionContext } from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { ComputingConfig } from '../../src/config/config.js';
import { compareFixture } from '../../src/parity/compare-fixture.js';
import { Fixture } from '../../src/parity/fixture.js';
import { openSubject } from '../../src/parity/open-subject.js';
import { fixturePath } from '../helpers/cli.js';
import {
  DIT_FIXTURES,
  type FixtureName,
  lossOf,
  SIMPLE_FIXTURES,
  UNET2D_FIXTURES,
  VARIANT_FIXTURES,
} from '../helpers/network-fixture.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/* What `haze parity` says of every fixture of PyTorch's, on each device and build. */

const PASSES = [
  ...['eps_eval', 'eps_train', 'grad/*', 'state1/* parameters'],
  ...['state1/* running statistics', 'state1/* batches tracked', 'losses'],
];

const of = (names: readonly FixtureName[], groups: readonly string[]) =>
  names.map((name) => ({ name, groups }));

/** Each fixture, and the groups of values that it has. */
const FIXTURES = [
  ...of(SIMPLE_FIXTURES, ['xt', ...PASSES, 'sample/trajectory']),
  ...of(VARIANT_FIXTURES, PASSES),
  ...of([...UNET2D_FIXTURES, ...DIT_FIXTURES], ['out', 'loss', 'grad/*', 'state1/*', 'losses']),
];

type Choice = Pick<ComputingConfig, 'device'> & Partial<ComputingConfig>;

const DEVICES: Readonly<Record<string, Choice & { device: 'wasm' | 'tensorflow' }>> = {
  'wasm, strict': { device: 'wasm', threads: 2, strict: true },
  'wasm, relaxed': { device: 'wasm', threads: 2 },
  'tensorflow, graph': { device: 'tensorflow', arithmetic: 'tensorflow' },
  'tensorflow, eager': { device: 'tensorflow', arithmetic: 'tensorflow', eager: true },
};

for (const [device, choice] of Object.entries(DEVICES))
  for (const { name, groups } of FIXTURES) {
    const holds = async (t: ExecutionContext): Promise<void> => {
      const fixture = await Fixture.read(fixturePath(`${name}.safetensors`));
      const computing = { ...COMPUTING_DEFAULTS, ...choice };
      const subject = await openSubject(choice.device, computing, lossOf(name));
      const found = await compareFixture(fixture, subject);
      // What does not hold shows its worst value.
      t.deepEqual(
        found.map(({ name: group, holds, worst }) => (holds ? group : { group, worst })),
        [...groups],
      );
    };
    const title = `${name} holds on ${device}`;
    if (choice.device === 'wasm') test.serial(title, holds);
    else tensorflowTest(title, holds);
  }
