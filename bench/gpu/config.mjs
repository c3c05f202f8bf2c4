// The config.json of the measured UNet2DModel, as diffusers writes it: config.mjs ROOT [1], a built checkout; 1 for the tiny one of a dry run.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [root, dry] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(root, 'dist/src', path)));
const [{ toDiffusers }, { completeModel }, { PRESETS }] = await Promise.all(
  ['network/diffusers-config.js', 'config/network-settings.js', 'config/presets.js'].map(load),
);
const tiny = { kind: 'unet2d', size: 8, widths: [8, 16], layers: 1, groups: 4 };
const model = dry ? completeModel(tiny) : PRESETS['unet2d-32'].model;
console.log(JSON.stringify(toDiffusers(model, model.size)));
