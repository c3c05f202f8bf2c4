/** `haze export`: a model in another program's form. */
import type { Args } from '../config/args.js';
import { classLabelsOf } from '../config/condition.js';
import { type OpenModel, openModel } from '../config/open-model.js';
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
  const opened = await openModel(path, args);
  const { weights, model, diffusion, sampling } = opened;
  for (const text of [...opened.notes, ...leftOut(opened)])
    process.stderr.write(`${printable(text)}\n`);
  const clamp = readClamp(args, sampling.clamp);
  const variance = readVariance(args) ?? sampling.variance ?? 'small';
  const classLabels = classLabelsOf(opened);
  await exportDiffusers({
    ...{ weights, model, diffusion, classLabels, out },
    sampling: { clamp, variance },
  });
  print(`${out}: DDPMPipeline.from_pretrained reads it\n`);
}

/** What a pipeline of diffusers has no place for. */
const leftOut = ({ guide }: OpenModel): string[] =>
  guide === null
    ? []
    : [`guide: not in the folder, which has no place for it; sample with --guide ${guide}`];
