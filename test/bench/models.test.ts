import { readFileSync } from 'node:fs';
import test from 'ava';
import { MODELS, trainingOf } from '../../src/bench/models.js';
import { unetShape } from '../../src/bench/unet-turn.js';
import { checkModel } from '../../src/config/model.js';
import { PRESETS } from '../../src/config/presets.js';
import { ADAM } from '../../src/contracts/device.js';
import { fromDiffusers } from '../../src/network/diffusers-config.js';

test('ddpm-cifar10-32 is the published network of google/ddpm-cifar10-32', (t) => {
  const url = new URL('../../../test/fixtures/ddpm-cifar10-32.json', import.meta.url);
  const { config, size } = fromDiffusers(url.pathname, JSON.parse(readFileSync(url, 'utf8')));
  t.deepEqual({ ...MODELS['ddpm-cifar10-32'].model }, { ...config, size });
});

test('unet2d-32 matches its description', (t) => {
  t.like(MODELS['unet2d-32'].model, {
    ...{ widths: [32, 64, 128], layers: 2, headDim: 8, groups: 32, size: 32 },
    ...{ downAttention: [false, false, true], upAttention: [true, false, false] },
  });
});

test('Every model has a unique name and a valid configuration', (t) => {
  for (const [key, { name, model }] of Object.entries(MODELS)) {
    t.is(name as string, key);
    t.notThrows(() => checkModel(model), key);
  }
});

test("A recipe is measured with its own training settings, other networks with their authors' settings", (t) => {
  const { model } = PRESETS['pictures-32'];
  const optimizer = { ...ADAM, clip: 1, muon: { momentum: 0.95, ratio: 20 } };
  const recipe = { loss: 'huber', optimizer, ema: [0.9], lr: 0.002, batch: 4 } as const;
  t.like(unetShape({ model, recipe, batch: 2 }), {
    ...{ batch: 2, loss: 'huber', optimizer, ema: [0.9] },
  });
  t.is(trainingOf({ model, recipe }).lr, 0.002);
  t.like(unetShape({ model, batch: 2 }), { loss: 'l2', ema: [] });
  t.like(unetShape({ model: PRESETS.tiny.model, batch: 2 }), { loss: 'l1', optimizer: ADAM });
});
