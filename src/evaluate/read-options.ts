/** Reads the options of an evaluation, from flags or from a program. */
import { readPictureShape } from '../config/autoencoder.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readSeed,
} from '../config/computing.js';
import { classNames } from '../config/condition.js';
import type { ComputingConfig } from '../config/config.js';
import { readDiffusion } from '../config/diffusion.js';
import { USUAL_COUNT } from '../config/drawing.js';
import { readEvaluation } from '../config/evaluation.js';
import { readDrawn } from '../config/guide.js';
import { openModel } from '../config/open-model.js';
import { checkNorm, readSampling, SAMPLING_SETTINGS } from '../config/sampling.js';
import type { Source } from '../config/source.js';
import { UsageError } from '../errors.js';
import { checkOutputPath } from '../io/output-path.js';
import { type Input, refuseOwnInputs } from '../io/own-inputs.js';
import { PICTURE_EXTENSIONS } from '../io/pictures.js';
import { UNSAID } from '../network/recognise.js';
import { subjectKind } from './find-subject.js';
import { refuseIdleSettings } from './idle-settings.js';
import type { EvaluateOptions, FileSubject, ModelSubject } from './options.js';

/**
 * @param settings all settings but those of sampling
 * @param sampling those, whose names may differ on the command line
 * @param hasImagesAside whether a program gives held-out images itself
 * @throws UsageError for invalid settings, for those of a model if images are evaluated, and for those without an effect
 */
export async function readEvaluateOptions(
  path: string,
  settings: Source,
  sampling: Source,
  hasImagesAside = false,
): Promise<Omit<EvaluateOptions, 'requireCuda'>> {
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(settings) });
  const evaluation = readEvaluation(settings);
  const { nearest, saveStatistics } = evaluation;
  if (nearest !== null)
    await checkOutputPath(settings.where('nearest'), nearest, PICTURE_EXTENSIONS);
  if (saveStatistics !== null)
    await checkOutputPath(settings.where('saveStatistics'), saveStatistics, ['.npz']);
  const reference = settings.text('reference');
  const seed = readSeed(settings) ?? 0;
  const heldOut = settings.text('heldOut') ?? null;
  const options = {
    ...evaluation,
    ...{ computing, seed, heldOut },
    subject: await readSubject(path, settings, sampling, computing),
    reference: reference === undefined ? null : await readReference(reference, settings),
  };
  const unseen = options.heldOut ?? (hasImagesAside ? 'given by a program' : null);
  refuseIdleSettings(settings, sampling, { ...options, heldOut: unseen });
  await refuseOwnInputs(
    (['nearest', 'saveStatistics'] as const).flatMap((name) => {
      const file = evaluation[name];
      return file === null ? [] : [{ where: settings.where(name), path: file }];
    }),
    inputsOf(options),
  );
  return options;
}

/** What is read, as the user named it. */
function inputsOf({
  subject,
  reference,
  heldOut,
  features,
}: Pick<EvaluateOptions, 'subject' | 'reference' | 'features'> & {
  readonly heldOut: string | null;
}): Input[] {
  return [
    { path: subject.name, images: subject.kind !== 'model' },
    ...(reference ? [{ path: reference.name, images: true }] : []),
    ...(heldOut === null ? [] : [{ path: heldOut, images: true }]),
    ...(features ? [{ path: features.file, images: false }] : []),
  ];
}

async function readReference(path: string, settings: Source): Promise<FileSubject> {
  const where = settings.where('reference');
  const kind = await subjectKind(path).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${where}: ${error.message}`);
  });
  if (kind === 'model')
    throw new UsageError(
      `${where}: expected images or statistics, got a model, ${path}; a model can only be the first argument`,
    );
  return { kind, name: path };
}

async function readSubject(
  path: string,
  settings: Source,
  sampling: Source,
  computing: ComputingConfig,
): Promise<ModelSubject | FileSubject> {
  const kind = await subjectKind(path);
  const count = settings.whole('count', { min: 1, max: 10_000_000 });
  if (kind !== 'model') {
    refuseModelSettings(path, kind, settings, sampling, computing);
    return { kind, name: path };
  }
  // `size` is the size at which images are compared; for a model of bare weights it is also its own.
  const opened = await openModel(path, settings, undefined, 'bare weights');
  const { weights, model, autoencoder, diffusion, notes, sampling: defaults } = opened;
  checkNorm(sampling, model);
  return {
    trainedOn: opened.run?.data.source ?? null,
    ...{ kind, name: path, weights, model, autoencoder, diffusion, notes },
    pictures: readPictureShape(settings, path, opened),
    sampling: readSampling(sampling, diffusion, defaults),
    ...(await readDrawn(sampling, path, opened)),
    classNames: classNames(opened),
    count: count ?? USUAL_COUNT.evaluate,
  };
}

/** Settings of a model beside its sampling and its forward process. */
const OF_MODELS = [
  ...['count', 'weights', 'networkConfig', 'autoencoder', 'objective', 'require'],
  ...UNSAID,
];

/** @throws UsageError for a setting of a model, its samples or its device if there is no model */
function refuseModelSettings(
  path: string,
  kind: FileSubject['kind'],
  settings: Source,
  sampling: Source,
  { threads: _, ...computing }: ComputingConfig,
): void {
  const usual: Readonly<Record<string, unknown>> = { ...COMPUTING_DEFAULTS };
  const [given] = [
    ...OF_MODELS.filter((name) => settings.has(name)).map((name) => settings.where(name)),
    ...SAMPLING_SETTINGS.filter((name) => sampling.has(name)).map((name) => sampling.where(name)),
    ...Object.keys(readDiffusion(settings)).map((name) => settings.where(name)),
    ...Object.entries(computing)
      .filter(([name, value]) => value !== usual[name])
      .map(([name]) => settings.where(name)),
  ];
  if (given !== undefined) throw new UsageError(`${given}: needs a model; ${path} holds ${kind}`);
}
