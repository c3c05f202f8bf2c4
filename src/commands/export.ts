/** `haze export`: writes a model in another program's format. */
import type { Args } from '../config/args.js';
import { readPictureShape } from '../config/autoencoder.js';
import { classLabelsOf } from '../config/condition.js';
import { readGuideOf } from '../config/guide.js';
import { isStretched } from '../config/image-size.js';
import { type OpenModel, openModel } from '../config/open-model.js';
import { readClamp, readVariance } from '../config/sampling.js';
import { choose } from '../config/source.js';
import { UsageError } from '../errors.js';
import { losesShift } from '../export/autoencoder.js';
import { exportDiffusers } from '../export/diffusers.js';
import { exportWeb, PRECISIONS } from '../export/web.js';
import { printable } from '../printable.js';
import { shellWord } from '../shell-word.js';
import { bytes, plural } from '../units.js';
import { FORMATS, type Format, OF_ONE_FORMAT } from './export-flags.js';
import { print } from './text.js';

export async function run(args: Args): Promise<void> {
  const format = choose('<format>', args.positional('format', FORMATS.join(' or ')), FORMATS);
  refuseOthers(args, format);
  const path = args.positional('model', 'a run or a checkpoint folder');
  const out = args.text('out');
  if (out === undefined) throw new UsageError('--out: expected a new folder, got nothing');
  await WRITE[format](args, path, out);
}

const WRITE: Readonly<Record<Format, (args: Args, path: string, out: string) => Promise<void>>> = {
  diffusers: writeDiffusers,
  web: writeWeb,
};

/** @throws UsageError for a flag of another format */
function refuseOthers(args: Args, format: Format): void {
  for (const other of FORMATS)
    for (const flag of other === format ? [] : Object.keys(OF_ONE_FORMAT[other]))
      if (args.has(flag))
        throw new UsageError(
          `${args.where(flag)}: belongs to export ${other}; this is export ${format}`,
        );
}

async function writeDiffusers(args: Args, path: string, out: string): Promise<void> {
  const found = await opened(args, path);
  readPictureShape(args, path, found);
  for (const text of leftOut(found)) process.stderr.write(`${printable(text)}\n`);
  const { weights, model, autoencoder, diffusion, sampling } = found;
  const clamp = readClamp(args, sampling.clamp);
  const few = found.run?.teacher && found.run.sampling?.steps;
  const asked = readVariance(args);
  if (few && asked)
    throw new UsageError(
      `${args.where('variance')}: belongs to a DDPMScheduler; ${path} was taught to draw in few steps by DDIM, without noise`,
    );
  const variance = asked ?? sampling.variance ?? 'small';
  const pipeline = await exportDiffusers({
    ...{ weights, model, autoencoder, diffusion, classLabels: classLabelsOf(found), out },
    sampling: { clamp, variance },
    fewSteps: few !== undefined,
  });
  const reader =
    model.kind === 'dit' && !autoencoder
      ? 'DiTTransformer2DModel.from_pretrained reads its transformer/'
      : `${pipeline}.from_pretrained reads it`;
  if (few)
    process.stderr.write(
      `it draws in ${plural(few, 'step')} of DDIM: for diffusers, num_inference_steps=${few}\n`,
    );
  if (isStretched(model))
    process.stderr.write(
      `sample_size is that of the network's positions; its images have ${model.size} pixels a side, image_size in model_index.json\n`,
    );
  print(`${printable(out)}: ${reader}\n`);
}

async function writeWeb(args: Args, path: string, out: string): Promise<void> {
  const precision = args.oneOf('precision', PRECISIONS) ?? 'f16';
  const model = await opened(args, path);
  const { size } = readPictureShape(args, path, model);
  const guide = await readGuideOf(args, path, model);
  const { page, weights, decoder } = await exportWeb({ ...model, guide, precision, out });
  print(
    `${printable(out)}: a page that draws images in the visitor's browser: ${bytes(page)}, and ${bytes(weights)} of weights (${precision})\n` +
      (decoder === null
        ? ''
        : `its decoder has ${bytes(decoder.weights)} of them, and takes ${bytes(decoder.memory)} of memory for images of ${size}x${size}\n`) +
      `next  npx serve ${shellWord(out)}    any web server will do; opened as a file it does not draw\n`,
  );
}

async function opened(args: Args, path: string): Promise<OpenModel> {
  const model = await openModel(path, args);
  for (const text of model.notes) process.stderr.write(`${printable(text)}\n`);
  return model;
}

/** What a diffusers pipeline cannot represent. */
const leftOut = ({ guide, autoencoder }: OpenModel): string[] => [
  ...(guide === null
    ? []
    : [`guide: not in the folder, whose format cannot hold it; sample with --guide ${guide}`]),
  ...(autoencoder && losesShift(autoencoder.config)
    ? [
        `shift_factor: diffusers' pipeline leaves out that of the autoencoder, ${autoencoder.config.shift}; add it to latents before decoding them there`,
      ]
    : []),
];
