/** `haze inspect`: a model's structure and costs, without computing anything. */
import type { Args } from '../config/args.js';
import type { ClassLabels } from '../config/class-labels.js';
import { classesInWords } from '../config/classes.js';
import { COMPUTING_DEFAULTS, readComputing, threadCount } from '../config/computing.js';
import type { ModelConfig, RunConfig, TrainingConfig } from '../config/config.js';
import { DEFAULT_BATCHES, defaultBase, modelGroups, readBase, readModel } from '../config/model.js';
import { openModel } from '../config/open-model.js';
import { pictureShape } from '../config/picture-shape.js';
import type { Recipe } from '../config/presets.js';
import { diffusionOf, trainingOf } from '../config/recipe.js';
import { samplingFlagsOf, trainingFlagsOf } from '../config/recipe-flags.js';
import { show } from '../config/show.js';
import { teacherInWords } from '../config/teacher.js';
import { readBatch, TRAINING_DEFAULTS } from '../config/training.js';
import { listNames } from '../data/list-names.js';
import { UsageError } from '../errors.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { resolveModel } from '../io/model-source.js';
import { weightsPath } from '../io/network.js';
import { withTensorFile } from '../io/read-tensors.js';
import type { TensorFile } from '../io/tensor-file.js';
import { findAnyNetwork } from '../io/weights.js';
import { lackOfAddressSpace } from '../machine/address-space.js';
import { AUTOENCODER_CLASSES } from '../network/autoencoder.js';
import { classRows } from '../network/classes.js';
import {
  type AttentionCost,
  attentionCosts,
  type LayerCost,
  layerCosts,
  networkCost,
} from '../network/cost.js';
import { buildNetwork } from '../network/network.js';
import { weightShape } from '../network/parameters.js';
import { elements } from '../network/state.js';
import { printable } from '../printable.js';
import { bytesBetweenSteps, copiesOf } from '../train/memory.js';
import { bytes, grouped, operations, plural } from '../units.js';
import { type MemoryPlan, planModelMemory } from './memory-plan.js';
import { print, printJson, table } from './text.js';

interface Subject {
  readonly path: string | null;
  readonly model: ModelConfig;
  /** What decodes its images, which are latents; null for pixels, and for latents that come without one. */
  readonly autoencoder: AutoencoderFiles | null;
  readonly timesteps: number;
  /** How it is trained, and the batch. */
  readonly training: TrainingConfig;
  /** What its preset says about training and sampling. */
  readonly recipe: Recipe;
  readonly run: RunConfig | null;
  /** From a diffusers folder. */
  readonly classLabels: ClassLabels | null;
  /** Which names of bare weights were used, if not the network's own. */
  readonly notes: readonly string[];
}

/** What a file says about its tensors before they are read. */
type Header = Pick<TensorFile, 'entries' | 'metadata'>;

export async function run(args: Args): Promise<void> {
  const json = args.boolean('json') ?? false;
  const path = args.optionalPositional('model');
  const header = path === undefined ? null : await headerOfNoModel(path);
  if (path !== undefined && header) {
    for (const flag of ['batch', ...Object.values(modelGroups).flatMap(Object.keys)])
      if (args.has(flag))
        throw new UsageError(`${args.where(flag)}: ${path} does not hold a model`);
    if (json) printJson(headerAsJson(path, header));
    else print(headerAsText(path, header));
    return;
  }
  const subject = path === undefined ? fromFlags(args) : await fromFile(path, args);
  const costs = costsOf(subject.model);
  const threads = threadCount({ ...COMPUTING_DEFAULTS, ...readComputing(args) });
  const { model, timesteps, training } = subject;
  const { sampleEvery } = training;
  const pauses = { model, timesteps, threads, sampleEvery, copies: copiesOf(training) };
  const between = await bytesBetweenSteps(pauses, 'wasm');
  const memory = planModelMemory(model, timesteps, training, threads, between);
  if (json) printJson(asJson(subject, costs, memory));
  else print(asText(subject, costs, memory));
}

/** The header of a file that does not claim to be this U-Net: a fixture, optimizer state, another network. */
async function headerOfNoModel(path: string): Promise<Header | null> {
  const source = await resolveModel(path);
  if (source.kind !== 'weights') return null;
  const { file, under } = await weightsPath(source.weights);
  return withTensorFile(file, async (header) =>
    findAnyNetwork(file, header, under) ? null : header,
  );
}

function fromFlags(args: Args): Subject {
  const base = readBase(args) ?? defaultBase(args);
  return {
    path: null,
    model: readModel(args, base),
    autoencoder: null,
    timesteps: diffusionOf(base).timesteps,
    training: withBatch(trainingOf(base), args),
    recipe: base.recipe ?? {},
    run: null,
    classLabels: null,
    notes: [],
  };
}

async function fromFile(path: string, args: Args): Promise<Subject> {
  if (args.text('preset') !== undefined)
    throw new UsageError(`--preset: ${path} is already a model; give only one of the two`);
  const notes: string[] = [];
  const opened = await openModel(path, args, (text) => notes.push(text));
  const { model, autoencoder, diffusion, run, classLabels } = opened;
  notes.push(...opened.notes);
  const usual = run?.training ?? { ...TRAINING_DEFAULTS, batch: DEFAULT_BATCHES[model.kind] };
  const training = withBatch(usual, args);
  return {
    path,
    ...{ model, autoencoder },
    timesteps: diffusion.timesteps,
    training,
    recipe: samplingOnly(run),
    run,
    classLabels,
    notes,
  };
}

/** The part of a run's recipe that is not in its settings. */
const samplingOnly = (run: RunConfig | null): Recipe =>
  run?.sampling ? { sampling: run.sampling } : {};

const withBatch = (training: TrainingConfig, args: Args): TrainingConfig => ({
  ...training,
  batch: readBatch(args) ?? training.batch,
});

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** The cost of a model for one image, by layer and in total. */
interface Costs {
  readonly layers: readonly LayerCost[];
  readonly attention: readonly AttentionCost[];
  readonly parameters: number;
  readonly forward: number;
  readonly training: number;
}

function costsOf(model: ModelConfig): Costs {
  const graph = buildNetwork(model, model.size);
  const layers = layerCosts(graph);
  return {
    ...{ layers, attention: attentionCosts(graph) },
    parameters: sum(layers.map((cost) => cost.parameters)),
    ...networkCost(graph),
  };
}

function asJson(subject: Subject, costs: Costs, memory: MemoryPlan): unknown {
  const { parameters, forward, training } = costs;
  return {
    path: subject.path,
    model: subject.model,
    ...(subject.autoencoder && { autoencoder: autoencoderAsJson(subject, subject.autoencoder) }),
    recipe: subject.recipe,
    parameters,
    flopsPerImage: { forward, training },
    memory,
    layers: costs.layers.map(({ layer, ...cost }) => ({
      name: layer.name,
      kind: layer.kind,
      shape: weightShape(layer),
      inputSide: cost.inputSide,
      outputSide: cost.outputSide,
      parameters: cost.parameters,
      flopsPerImage: { forward: cost.forward, training: cost.training },
    })),
    attention: costs.attention.map(({ name, side, forward, training }) => ({
      ...{ name, side },
      flopsPerImage: { forward, training },
    })),
    run: subject.run,
    ...(subject.classLabels && { classLabels: subject.classLabels }),
    notes: subject.notes,
  };
}

function asText(subject: Subject, costs: Costs, memory: MemoryPlan): string {
  const { model, run, notes, recipe, classLabels } = subject;
  const { parameters, forward, training } = costs;
  const facts = [
    ['model', subject.path ?? 'from the flags'],
    ...imagesAsText(subject),
    ['widths', `${model.widths.join(', ')} · ${traits(model)}`],
    ['parameters', grouped(parameters)],
    ['an image', `${operations(forward)} forward, ${operations(training)} training`],
    ...(run
      ? [['trained on', `${run.data.source} · seed ${run.seed} · T ${run.diffusion.timesteps}`]]
      : []),
    ...(run?.teacher ? [['taught by', teacherInWords(run.teacher)]] : []),
    ...recipeAsText(recipe),
    ...(run?.data.classes ? [['classes', classesInWords(run)]] : []),
    ...(classLabels ? [['classes', labelsInWords(classLabels)]] : []),
    ...notes.map((note) => ['note', note]),
  ];
  return `${table(facts)}\n${layersAsText(costs)}\n${memoryAsText(memory)}`;
}

const autoencoderAsJson = ({ model }: Pick<Subject, 'model'>, files: AutoencoderFiles) => ({
  class: AUTOENCODER_CLASSES[files.config.kind],
  folder: files.folder,
  pictures: pictureShape(model, files),
});

/** The images, and the pictures of latents. */
function imagesAsText({ model, autoencoder }: Subject): string[][] {
  if (!autoencoder) return [['images', shapeAsText(model)]];
  const { class: name, folder, pictures } = autoencoderAsJson({ model }, autoencoder);
  return [
    ['latents', `${model.size}x${model.size}, ${plural(model.channels, 'channel')}`],
    ['pictures', `${shapeAsText(pictures)}, by the ${name} in ${folder}`],
  ];
}

/** `32x32 RGB`. */
function shapeAsText({ size, channels }: Pick<ModelConfig, 'size' | 'channels'>): string {
  const colours: Readonly<Record<number, string>> = { 1: 'grey', 3: 'RGB' };
  return `${size}x${size} ${colours[channels] ?? `latents of ${plural(channels, 'channel')}`}`;
}

/** A preset's settings as flags. */
const recipeAsText = (recipe: Recipe): string[][] =>
  [
    ['trained with', trainingFlagsOf(recipe)] as const,
    ['sampled with', samplingFlagsOf(recipe.sampling)] as const,
  ].flatMap(([what, flags]) => (flags.length > 0 ? [[what, flags.join(' ')]] : []));

/** The number of classes, their names, and the label for no class. */
const labelsInWords = ({ names, none }: ClassLabels): string =>
  `${names.length}: ${listNames(names)}${none === null ? '' : `; label ${none} stands for no class`}`;

/** What distinguishes a network from others of the same widths. */
function traits(model: ModelConfig): string {
  const classes = classRows(model);
  const ofClasses = classes === null ? [] : [`classes ${classes}`];
  if (model.kind === 'dit') {
    const { depth, patch, size, baseSize, headDim } = model;
    const heads = model.widths[0]! / headDim;
    const parts = [
      ...['dit', plural(depth, 'block'), `patches of ${patch}x${patch}`],
      ...[plural((size / patch) ** 2, 'token'), `${plural(heads, 'head')} of ${headDim}`],
      ...(baseSize === null || baseSize === size ? [] : [`positions of ${baseSize}x${baseSize}`]),
    ];
    return [...parts, ...ofClasses].join(' · ');
  }
  const time = `time embedding ${model.timeDim}`;
  if (model.kind === 'simple') return `${time} · norm ${model.norm}`;
  const { size, layers, groups, headDim } = model;
  const sides = (levels: readonly boolean[]) =>
    show(levels.flatMap((attends, i) => (attends ? [size / 2 ** i] : [])));
  const [down, up] = [sides(model.downAttention), sides([...model.upAttention].reverse())];
  const parts = [
    ...['unet2d', time, `layers ${layers}`],
    `attention at ${down === up ? down : `${down} down, ${up} up`}`,
    ...[`groups ${groups}`, headDim === null ? 'one head' : `heads of ${headDim}`],
    ...ofClasses,
  ];
  return parts.join(' · ');
}

function layersAsText({ layers, attention }: Costs): string {
  const rows = layers.map(({ layer, ...cost }) => [
    layer.name,
    layer.kind,
    `[${weightShape(layer).join(', ')}]`,
    cost.outputSide === 0 ? '' : `${cost.inputSide} → ${cost.outputSide}`,
    grouped(cost.parameters),
    cost.forward === 0 ? '' : operations(cost.forward),
  ]);
  const products = attention.map(({ name, side, forward }) => [
    ...[`${name}, products`, 'attention', '', `${side} → ${side}`, '', operations(forward)],
  ]);
  const head = ['layer', 'kind', 'weight', 'side', 'parameters', 'forward'];
  return table([head, ...rows, ...products], [4, 5]);
}

function memoryAsText(memory: MemoryPlan): string {
  const { batch, threads, limit, limitedBy, training, between, sampling, largestBatch } = memory;
  const groups = Object.entries(training.groups).map(([name, size]) => [`  ${name}`, bytes(size)]);
  const fits = training.total <= limit ? 'fits' : 'does not fit';
  const largest =
    largestBatch > 0
      ? `the largest batch that does is ${grouped(largestBatch)}`
      : 'not even a batch of 1 does';
  const wanted = { workers: threads, memories: [training.total] };
  const reason = lackOfAddressSpace(wanted);
  const lack = reason === null ? '' : `It cannot be trained here: ${reason}.\n`;
  return (
    `memory on the wasm device, batch ${batch}, ${threads} threads\n` +
    table(
      [
        ...groups,
        ['  training, in all', bytes(training.total)],
        ['  between its steps', bytes(between)],
        ['  sampling', bytes(sampling.total)],
      ],
      [1],
    ) +
    `Training ${fits} in ${bytes(limit)}${limitedBy ? ` (${limitedBy})` : ''}; ${largest}.\n${lack}`
  );
}

function headerAsJson(path: string, { entries, metadata }: Header): unknown {
  return {
    path,
    metadata,
    tensors: [...entries].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
  };
}

function headerAsText(path: string, { entries, metadata }: Header): string {
  const values = sum([...entries.values()].map(({ shape }) => elements(shape)));
  const rows = [...entries].map(([name, { dtype, shape }]) => [
    name,
    dtype,
    `[${shape.join(', ')}]`,
  ]);
  return `${printable(path)}: ${plural(entries.size, 'tensor')}, ${grouped(values)} values\n${table(Object.entries(metadata))}${table(rows)}`;
}
