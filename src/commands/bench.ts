/** `haze bench`: measures each path on this machine, and peers. */
import { isDeepStrictEqual } from 'node:util';
import { compareReports, readResults } from '../bench/compare.js';
import { bench } from '../bench/index.js';
import { toMarkdown } from '../bench/markdown.js';
import { MODELS } from '../bench/models.js';
import type { BenchOptions, NamedModel } from '../bench/options.js';
import { PLOT_EXTENSIONS, writePlot } from '../bench/plot.js';
import { SUBJECTS, type Subject } from '../bench/result.js';
import type { Args } from '../config/args.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
  readSeed,
} from '../config/computing.js';
import type { ModelConfig } from '../config/config.js';
import { type Base, defaultBase, modelGroups, readBase, readModel } from '../config/model.js';
import { flagOf } from '../config/network-fields.js';
import { completeModel, type GivenModel } from '../config/network-settings.js';
import { diffusionOf, trainingOf } from '../config/recipe.js';
import { choose } from '../config/source.js';
import { optimizerOf, readBatch } from '../config/training.js';
import { chooseDevice } from '../device/choose.js';
import { UsageError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import { checkOutputPath } from '../io/output-path.js';
import { classRows } from '../network/classes.js';
import { printableLines } from '../printable.js';
import { changesAsText, reportAsText } from './bench-text.js';
import { print, printJson } from './text.js';

const ROUNDS = 7;

export async function run(args: Args): Promise<void> {
  const subjects = readSubjects(args.optionalPositional('what'));
  const options = await readOptions(args);
  if (options.layers && !subjects.includes('unet'))
    throw new UsageError(`--layers: belongs to unet; the subject is ${subjects.join(', ')}`);
  if (options.beside > 0 && !subjects.includes('unet'))
    throw new UsageError(`--beside: belongs to unet; the subject is ${subjects.join(', ')}`);
  const plot = args.text('plot');
  const markdown = args.text('markdown');
  const compare = args.text('compare');
  if (plot !== undefined) await checkOutputPath('--plot', plot, PLOT_EXTENSIONS);
  if (markdown !== undefined) await checkOutputPath('--markdown', markdown, ['.md']);
  const old = compare === undefined ? null : await readResults(compare);
  process.once('SIGINT', interrupted);
  const report = await bench(subjects, options);
  const changes = old && compareReports(report, old);
  if (args.boolean('json')) printJson(changes ? { ...report, changes } : report);
  else {
    print(reportAsText(report));
    if (changes) print(`\n${changesAsText(changes, compare!)}`);
  }
  if (plot !== undefined) await writePlot(plot, report.results);
  if (markdown !== undefined) await writeFileAtomically(markdown, toMarkdown(report));
}

/** There is nothing to save; the files written for peers are removed on exit, and peers end with their input. */
function interrupted(): never {
  process.stderr.write('haze: interrupted; nothing was written\n');
  process.exit(130);
}

/** `all`, the default, or one subject. */
function readSubjects(what: string | undefined): readonly Subject[] {
  const chosen = choose('[what]', what ?? 'all', [...SUBJECTS, 'all']);
  return chosen === 'all' ? SUBJECTS : [chosen];
}

async function readOptions(args: Args): Promise<BenchOptions> {
  const given = readComputing(args);
  const computing = checkComputing({
    ...COMPUTING_DEFAULTS,
    device: given.eager ? 'tensorflow' : 'wasm',
    ...given,
  });
  const { device } = await chooseDevice(computing, readRequireCuda(args));
  return {
    chosen: readChosen(args),
    batch: readBatch(args) ?? null,
    rounds: args.whole('rounds', { min: 1, max: 1000 }) ?? ROUNDS,
    computing,
    only: {
      device: given.device === undefined ? null : device,
      arithmetic: given.arithmetic ?? null,
    },
    seed: readSeed(args) ?? 0,
    peers: args.boolean('peers') ?? false,
    // The setting `layers` belongs to the network, whose flag has another name.
    layers: args.renamed({ layerTimes: 'layers' }).boolean('layerTimes') ?? false,
    beside: args.whole('beside', { min: 0, max: 1024 }) ?? 0,
    onNote: (text) => process.stderr.write(`${printableLines(text)}\n`),
  };
}

/** The model chosen by flags, named by its preset or its widths; null without any. */
function readChosen(args: Args): NamedModel | null {
  const names = Object.values(modelGroups).flatMap(Object.keys);
  const given = names.filter((name) => args.has(name));
  if (given.length === 0) return null;
  const model = readModel(args, readBase(args) ?? defaultBase(args));
  if (classRows(model) !== null)
    throw new UsageError('--num-classes: only networks without classes can be measured');
  if (given.join() === 'preset')
    return { name: args.text('preset')!, model, ...recipeOf(readBase(args)!, args) };
  return { name: nameOf(model), model };
}

/** A recipe's training; peers, and whatever is measured beside them, train as the networks' authors do. */
function recipeOf(base: Base, args: Args): Pick<NamedModel, 'recipe'> {
  if (!base.recipe?.training || args.boolean('peers')) return {};
  const training = trainingOf(base);
  const { ema, lr, batch } = training;
  const { loss } = diffusionOf(base);
  return { recipe: { ...{ loss, ema, lr, batch }, optimizer: optimizerOf(training) } };
}

/** The name of a model that is measured by default; otherwise a name that tells it from others of the same network. */
function nameOf(model: ModelConfig): string {
  const known = Object.values(MODELS).find((one) => isDeepStrictEqual(one.model, model));
  if (known) return known.name;
  const { kind, size, widths, channels } = model;
  const list = widths.join(',');
  if (model.kind === 'simple')
    return `widths ${list} ${channels}ch t${model.timeDim} ${model.norm}`;
  const usual = completeModel({ kind, size, widths } as GivenModel);
  const others = Object.entries(model).flatMap(([name, value]) =>
    isDeepStrictEqual(value, usual[name as keyof ModelConfig])
      ? []
      : [` ${flagOf(kind, name)} ${String(value)}`],
  );
  return `${kind} widths ${list}${others.join('')}`;
}
