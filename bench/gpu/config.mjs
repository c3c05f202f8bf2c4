// The config.json of a measured network, as diffusers writes it: config.mjs ROOT FLAGS..., a built checkout, and those of `haze bench unet`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const [root, ...args] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(root, 'dist/src', path)));
const [{ toDiffusers }, { defaultBase, modelGroups, readBase, readModel }, { Args }] =
  await Promise.all(['network/diffusers-config.js', 'config/model.js', 'config/args.js'].map(load));
const names = [...Object.values(modelGroups).flatMap(Object.keys), 'batch'];
const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
const flags = new Args(parseArgs({ args, options }).values);
const model = readModel(flags, readBase(flags) ?? defaultBase(flags));
console.log(JSON.stringify(toDiffusers(model, model.size)));
