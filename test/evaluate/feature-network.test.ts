import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { FeatureConfig } from '../../src/config/evaluation.js';
import { FeatureInput, type InputForm } from '../../src/evaluate/feature-input.js';
import { FeatureNetwork } from '../../src/evaluate/feature-network.js';
import { fixturePath } from '../helpers/cli.js';
import { evaluationFixture } from '../helpers/evaluation.js';
import { temporaryFolder } from '../helpers/folder.js';
import { onnxTest } from '../helpers/onnx.js';
import { pixelsOf } from '../helpers/pixels.js';

const NETWORK: FeatureConfig = {
  file: fixturePath('evaluation/network.onnx'),
  ...{ size: null, layout: null, output: 'vector', filter: 'bicubic' },
  ...{ range: [-1, 1], mean: [0, 0, 0], deviation: [1, 1, 1] },
};

const open = (changes: Partial<FeatureConfig> = {}) =>
  FeatureNetwork.open({ ...NETWORK, ...changes }, 1);

onnxTest("Features of scaled images, and means of feature maps, match PyTorch's", async (t) => {
  const pixels = await pixelsOf(fixturePath('evaluation/images.npz'), 8);
  const { floats } = await evaluationFixture('network');
  for (const output of ['vector', 'map'] as const) {
    const network = await open({ output });
    t.teardown(() => network.close());
    const features = await network.extractor({ size: 8, channels: 3 }).extract(pixels);
    const expected = floats(output);
    t.is(features.length, expected.length);
    for (const [i, value] of features.entries())
      t.true(Math.abs(value - expected[i]!) < 1e-5, `${output} ${i}: ${value}, ${expected[i]}`);
    t.like(network.describe(5), {
      output,
      features: 5,
      input: { size: 16, channels: 3, layout: 'nchw' },
    });
  }
});

onnxTest('Flags that do not fit the network file are refused by name', async (t) => {
  const text = join(await temporaryFolder(t), 'text.onnx');
  await writeFile(text, 'hello');
  const bad: readonly (readonly [Partial<FeatureConfig>, RegExp])[] = [
    [{ output: null }, /--feature-output: .* has vector, map; name one$/],
    [{ output: 'pool' }, /--feature-output: .* has vector, map, got pool$/],
    [{ size: 299 }, /--feature-size: .* expects images of 16x16, got 299$/],
    [{ layout: 'nhwc' }, /--features .*: expected an input of/],
    [
      { file: text },
      /text\.onnx: expected an ONNX network, got a file that onnxruntime-node cannot read/,
    ],
    [{ file: fixturePath('evaluation') }, /expected a file, got a folder/],
    [{ file: fixturePath('none.onnx') }, /--features .*none\.onnx: cannot be read/],
  ];
  for (const [changes, message] of bad)
    await t.throwsAsync(open(changes), { name: 'UsageError', message });
});

const FORM: InputForm = {
  ...{ size: 2, channels: 3, layout: 'nchw', filter: 'bilinear' },
  ...{ range: [0, 1], mean: [0, 0.5, 0], deviation: [1, 1, 0.5] },
};
const PIXELS = Uint8Array.of(0, 51, 102, 255, 204, 153, 51, 51, 51, 102, 102, 102);

const made = (form: Partial<InputForm>, pixels = PIXELS, channels: 1 | 3 = 3) => {
  const out = new Float32Array(24);
  new FeatureInput({ size: 2, channels }, { ...FORM, ...form }).put(pixels, out, 1);
  return [...out].map((value) => Math.round(value * 1000) / 1000);
};

test("Bytes are mapped to the range and normalised by each channel's mean and deviation, in either layout", (t) => {
  const before = Array.from({ length: 12 }, () => 0);
  const planes = [0, 1, 0.2, 0.4, -0.3, 0.3, -0.3, -0.1, 0.8, 1.2, 0.4, 0.8];
  t.deepEqual(made({}), [...before, ...planes]);
  const last = [0, -0.3, 0.8, 1, 0.3, 1.2, 0.2, -0.3, 0.4, 0.4, -0.1, 0.8];
  t.deepEqual(made({ layout: 'nhwc' }), [...before, ...last]);
});

test('Grey images are repeated for colour networks, and colour images become grey for grey networks', (t) => {
  const plain = { range: [0, 255], mean: [0, 0, 0], deviation: [1, 1, 1] } as const;
  const grey = Uint8Array.of(1, 2, 3, 4);
  t.deepEqual(made(plain, grey, 1).slice(12), [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
  t.deepEqual(made({ ...plain, channels: 1 }).slice(4, 8), [...[41.565, 213.435], ...[51, 102]]);
});
