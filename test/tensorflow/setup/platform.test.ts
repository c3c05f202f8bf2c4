import test from 'ava';
import { UsageError } from '../../../src/errors.js';
import { report } from '../../../src/tensorflow/describe.js';
import { requireInstall } from '../../../src/tensorflow/locate.js';
import { checkPlatform, otherPlatform } from '../../../src/tensorflow/setup/platform.js';
import { temporaryFolder } from '../../helpers/folder.js';

test('Linux on x64 is supported', (t) => {
  t.is(otherPlatform('linux', 'x64'), undefined);
});

for (const [platform, arch] of [
  ['darwin', 'arm64'],
  ['linux', 'arm64'],
  ['win32', 'x64'],
] as const) {
  const other = otherPlatform(platform, arch);
  const words = new RegExp(`this is ${platform} on ${arch}; use --device wasm`);

  test(`on ${platform} with ${arch} the message suggests the wasm device instead of a set-up`, async (t) => {
    const env = { HAZE_CACHE: await temporaryFolder(t) };
    for (const refused of [() => checkPlatform('', other), () => requireInstall(env, other)]) {
      const error = t.throws(refused, { instanceOf: UsageError });
      t.regex(error.message, words);
      t.notRegex(error.message, /run `haze setup/);
    }
    t.deepEqual(report(undefined, undefined, undefined, {}, other).gaps, [other!]);
  });
}
