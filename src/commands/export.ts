/** `haze export`: a model in another program's form. */
import type { Args } from '../config/args.js';
import { openModel } from '../config/open-model.js';
import { readClamp, readVariance } from '../config/sampling.js';
import { choose } from '../config/source.js';
import { UsageError } from '../errors.js';
import { exportDiffusers } from '../export/diffusers.js';
import { printable } from '../printable.js';
import { print } from './text.js';

export async function run(args: Args): Promise<void> {
  choose('<format>', args.positional('format', 'diffusers'), ['diffusers']);
  const path = args.positional('model', 'a run or a checkpoint folder');
  const out = args.text('out');
  if (out === undefined) throw new UsageError('--out: expected a new folder, got nothing');
  const { weights, model, diffusion, sampling, notes } = await openModel(path, args);
  for (const text of notes) process.stderr.write(`${printable(text)}\n`);
  const clamp = readClamp(args, sampling.clamp);
  const variance = readVariance(args) ?? sampling.variance ?? 'small';
  await exportDiffusers({ weights, model, diffusion, sampling: { clamp, variance }, out });
  print(`${out}: DDPMPipeline.from_pretrained reads it\n`);
}
