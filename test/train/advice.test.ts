import test from 'ava';
import { PRESETS } from '../../src/config/presets.js';
import { advice, type Given } from '../../src/train/advice.js';

const photographs: Given = {
  ...{ kind: 'simple', name: 'photos', count: 5000, minutes: null, threads: 2 },
  own: { width: 640, height: 480, size: null, channels: 3 },
};
const small = { width: 32, height: 32, size: 32, channels: 3 } as const;
const said = (given: Partial<Given>) => advice({ ...photographs, ...given }).join('\n');
const named = (given: Partial<Given>) =>
  [...(said(given).split('pictures: ')[1] ?? '').matchAll(/--preset (\S+)/g)].map(
    ([, name]) => name,
  );

test('without a preset, the default is named and one that suits the images is suggested', (t) => {
  t.regex(said({}), /^preset {2}reference, since none is named: the walk-through's own set-up/);
  t.regex(said({ kind: 'unet2d' }), /^preset {2}unet2d-32, since none is named/);
  t.regex(said({}), /photos, 5,000 images as 640x480: best pictures: --preset minutes-32 /);
  t.is(said({ own: null }).split('\n').length, 1);
});

test('every recipe is recommended for some images and durations', (t) => {
  const { from } = PRESETS['pictures-32'];
  t.deepEqual(named({}), ['minutes-32', 'pictures-32', 'pictures-64']);
  t.deepEqual(named({ own: small }), ['minutes-32', 'pictures-32']);
  t.deepEqual(named({ own: { ...small, channels: 1 } }), ['sprites-28']);
  t.regex(said({}), new RegExp(`pictures-32 \\(${from} minutes or more\\)`));
});

test('with --minutes, the best recipe for that time is recommended', (t) => {
  const [quick, middle, long] = [
    ...[PRESETS['minutes-32'], PRESETS['pictures-32'], PRESETS['pictures-64']],
  ].map(({ from }) => from!);
  t.deepEqual(named({ minutes: quick! / 2 }), ['minutes-32']);
  t.deepEqual(named({ minutes: middle! - 1 }), ['minutes-32']);
  t.deepEqual(named({ minutes: middle! }), ['pictures-32']);
  t.deepEqual(named({ minutes: long! }), ['pictures-64']);
  t.deepEqual(named({ minutes: long!, own: small }), ['pictures-32']);
  t.deepEqual(named({ minutes: middle! / 2, threads: 4 }), ['pictures-32']);
  t.regex(said({ minutes: long! }), / in \d+ min$/);
});
