import test from 'ava';
import { Args } from '../../src/config/args.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { UsageError } from '../../src/errors.js';
import { runConfig } from '../../src/library/run-config.js';

type Flags = Record<string, string | boolean>;

const fresh = (flags: Flags) =>
  newRunConfig(
    'toy-cars',
    new Args({ network: 'unet2d', size: '32', widths: '8,16,32', ...flags }),
  );

const NO_MIDDLE = / belongs to the middle, which --no-mid omits$/;

test('settings of a unet2d that others leave without an effect are refused by name', (t) => {
  const idle: [flags: Flags, message: RegExp][] = [
    [{ mid: false, 'mid-scale': '2' }, new RegExp(`^--mid-scale:${NO_MIDDLE.source}`)],
    [{ mid: false, 'mid-attention': true }, new RegExp(`^--mid-attention:${NO_MIDDLE.source}`)],
    [
      { mid: false, 'attention-groups': '4' },
      new RegExp(`^--attention-groups:${NO_MIDDLE.source}`),
    ],
    [
      { 'mid-attention': false, 'attention-groups': '4' },
      /^--attention-groups: belongs to the middle's attention, which --no-mid-attention omits$/,
    ],
    [
      { mid: false, attention: 'none', 'head-dim': '8' },
      /^--head-dim: belongs to attention, which the network does not have$/,
    ],
    [
      { 'mid-attention': false, attention: 'none', 'head-dim': 'all' },
      /^--head-dim: belongs to attention/,
    ],
    // The last level, where attention is by default, does not halve the image.
    [{ 'down-type': 'resnet' }, /^--down-type: belongs to levels with attention that halve/],
    [
      { attention: '32', 'up-type': 'resnet' },
      /^--up-type: belongs to levels with attention that double/,
    ],
    [
      { attention: '32,16', 'down-type': 'resnet', 'down-padding': '0' },
      /^--down-padding: belongs to strided convolutions; there are none$/,
    ],
    [{ widths: '8', 'down-padding': '0' }, /^--down-padding: belongs to strided convolutions/],
  ];
  for (const [flags, message] of idle)
    t.throws(() => fresh(flags), { instanceOf: UsageError, message }, JSON.stringify(flags));
});

test('the same settings are taken where they have an effect, or say what is so anyway', (t) => {
  for (const flags of [
    { 'mid-scale': '2', 'attention-groups': '4' },
    { mid: false, 'mid-attention': false, 'head-dim': '8' },
    { attention: 'none', 'head-dim': '8' },
    { attention: '16', 'down-type': 'resnet', 'up-type': 'resnet', 'down-padding': '0' },
    // On the way up the last level doubles the image.
    { 'up-type': 'resnet' },
    { preset: 'unet2d-32', mid: false },
  ] as Flags[])
    t.notThrows(() => fresh(flags), JSON.stringify(flags));
});

test('programs read their own names', (t) => {
  const run = { data: 'toy-cars', network: 'unet2d', widths: [8, 16], size: 16 } as const;
  t.throws(() => runConfig({ ...run, mid: false, midScale: 2 }), {
    instanceOf: UsageError,
    message: 'runConfig.midScale: belongs to the middle, which mid: false omits',
  });
});
