import test from 'ava';
import { Args } from '../../src/config/args.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { parseSite } from '../../src/config/site.js';
import { UsageError } from '../../src/errors.js';

const TINY = {
  ...{ kind: 'tiny', channels: 3, latentChannels: 5, scale: 1.5, shift: -0.25 },
  ...{ encoderWidth: 16, decoderWidth: 16, encoderBlocks: [0, 1], decoderBlocks: [1, 0] },
};
const KL = {
  ...{ kind: 'kl', channels: 1, latentChannels: 5, scale: 0.5, shift: 0, widths: [8, 16] },
  ...{ layers: 1, groups: 4, midAttention: true, quantConv: true, postQuantConv: false },
};

/** A site's description, as JSON has it. */
function described(config: object | null, changes: object = {}) {
  const flags = new Args({ size: '8', widths: '8,8', timesteps: '20' });
  const { model, diffusion } = newRunConfig('toy-cars', flags);
  const autoencoder = config && { config, weights: 'decoder.safetensors' };
  const site = {
    ...{ version: 1, diffusion, sampling: {}, classes: null, guide: null },
    ...{ model: { ...model, channels: config ? 5 : 3 }, weights: 'weights.safetensors' },
    ...{ autoencoder, ...changes },
  };
  return JSON.parse(JSON.stringify(site)) as typeof site;
}

for (const config of [TINY, KL])
  test(`a site of latents with an autoencoder of ${config.kind} is unchanged by JSON`, (t) => {
    const site = parseSite('model.json', described(config));
    t.deepEqual(site.autoencoder as unknown, { config, weights: 'decoder.safetensors' });
    t.deepEqual(parseSite('model.json', JSON.parse(JSON.stringify(site))), site);
  });

test('a site of pixels may do without the field', (t) => {
  const { autoencoder: _, ...older } = described(null);
  t.is(parseSite('model.json', older).autoencoder, null);
});

test('a site with an invalid autoencoder is refused with the name of the field', (t) => {
  const { model } = described(null);
  for (const [site, message] of [
    [described(null, { model: { ...model, channels: 5 } }), /channels: expected 1 or 3, got 5/],
    [described(null, { autoencoder: 'x' }), /^model\.json\.autoencoder: expected an object/],
    [described({ ...TINY, kind: 'vq' }), /autoencoder\.config\.kind: expected one of/],
    [described({ ...TINY, channels: 2 }), /autoencoder\.config\.channels: expected 1 or 3, got 2/],
    [
      described({ ...TINY, latentChannels: 4 }),
      /^model\.json\.autoencoder\.config: expected 5 channels, as the model has, got 4$/,
    ],
    [described({ ...KL, groups: 3 }), /groups: expected a divisor of all widths, got 3 for 8/],
    [described({ ...KL, folder: '/vae' }), /autoencoder\.config\.folder: unknown field/],
    [
      described(KL, { guide: { model, weights: 'guide.safetensors' } }),
      /^model\.json\.guide\.model: expected 5 channels, as the model has, got 3$/,
    ],
  ] as const)
    t.throws(() => parseSite('model.json', site), { instanceOf: UsageError, message });
});
