import { computingFlags } from '../config/computing.js';
import { diffusionFlags, lossFlag, objectiveFlag } from '../config/diffusion.js';
import { comparisonFlags, featureFlags, likelihoodFlags } from '../config/evaluation.js';
import type { Flags } from '../config/flag.js';
import { modelFlags, modelGroups, unsaidGroups } from '../config/model.js';
import { PRESET_NAMES, PRESETS } from '../config/presets.js';
import { queueFlag, servingFlags } from '../config/queue.js';
import { orPresets } from '../config/recipe-flags.js';
import { samplingFlags } from '../config/sampling.js';
import { targetFlags } from '../config/targets.js';
import { dataFlags, trainingFlags } from '../config/training.js';
import { watchingFlags } from '../config/watching.js';
import { weightsFlags } from '../config/which-weights.js';
import type { Command } from './command.js';
import { OF_ONE_FORMAT } from './export-flags.js';

const { size } = modelFlags;

/** What neither shapes nor a config say of bare weights. */
const bareFlags: Flags = { size: { ...size!, default: '64' }, ...diffusionFlags, ...objectiveFlag };

/** Parity draws no random numbers. */
const { seed: _, ...withoutSeed } = computingFlags;

const jsonFlag = { json: { describe: 'Print JSON alone' } };

/** A flag that a resume may take back. */
const takenBack = (name: 'strict' | 'wide'): Flags => {
  const flag = computingFlags[name]!;
  const describe = `${flag.describe}; --no-${name} takes it back on a resume`;
  return { [name]: { ...flag, describe, negatable: true } };
};

const MODEL = "A run, a checkpoint folder, diffusers' folder or a file of weights";

const WEIGHTS_NOTE =
  'Files of weights are .safetensors and what torch.save writes (.pt, .pth, .bin). Of several networks in one, FILE#KEY is the one under KEY.';

/** The network's flags, for commands that take a preset. */
const networkGroups = Object.fromEntries(
  Object.entries(modelGroups).map(([title, flags]) => [title, orPresets(flags)]),
);

/** What each preset is for. */
function presetsAsText(): string {
  const longest = Math.max(...PRESET_NAMES.map(({ length }) => length));
  const lines = PRESET_NAMES.map((name) => `  ${name.padEnd(longest)}  ${PRESETS[name].about}`);
  return ['Presets, of which haze inspect --preset NAME shows all that they say:', ...lines].join(
    '\n',
  );
}

const { describe: QUEUE } = queueFlag.queue!;

const train: Command = {
  name: 'train',
  describe: 'Train a U-Net on images',
  positional: {
    name: 'data',
    describe:
      'A folder of images, an IDX file, a CIFAR binary file, an array (.npz, .npy, .safetensors), or toy-cars, which are drawn',
    optional: true,
    several: 'name the folder they lie in, without a wildcard',
  },
  groups: {
    'Run:': {
      out: {
        describe: "The run's folder",
        value: 'FOLDER',
        default: 'the next of runs/1, runs/2, …',
      },
      resume: { describe: 'Go on with the run in --out; its own settings hold' },
      queue: {
        describe: `Let workers on other machines train the replicas of --sync-every. ${QUEUE}`,
        value: 'URL|env',
      },
      watch: { describe: 'Serve a page of the run while it trains, as haze watch does' },
      ...watchingFlags,
      tensorboard: {
        describe:
          "Write TensorBoard's event file, too; a resume of a run that has one goes on with it",
      },
      ...orPresets(trainingFlags),
    },
    'Data:': orPresets(dataFlags),
    ...networkGroups,
    'Diffusion:': orPresets({
      ...{ ...diffusionFlags, ...objectiveFlag, ...lossFlag, ...targetFlags },
    }),
    'Computing:': {
      ...computingFlags,
      ...takenBack('strict'),
      ...takenBack('wide'),
    },
  },
  examples: [
    ['haze train toy-cars --preset tiny --steps 300', 'the quickest look'],
    ['haze train photos/ --preset pictures-32 --minutes 30', 'your images, by a recipe'],
    ['haze train photos/ --preset small --held-out 0.1', 'a tenth kept aside'],
    ['haze train photos/ --preset unet2d-32 --classes folders', 'told the class of each image'],
    ['haze train photos/ --out runs/1 --resume --epochs 200', 'go on for longer'],
    [
      'haze train photos/ --replicas 4 --sync-every 25 --queue redis://host',
      'four replicas, by workers of other machines',
    ],
  ],
  notes: `Ctrl-C saves a checkpoint and exits with 130.\n\n${presetsAsText()}`,
  load: () => import('./train.js'),
};

const sample: Command = {
  name: 'sample',
  describe: 'Draw images from a model',
  positional: { name: 'model', describe: MODEL, optional: false },
  groups: {
    'Pictures:': {
      count: { describe: 'Images', value: 'N', default: '16' },
      out: { describe: 'All images in a grid', value: 'FILE.png', default: 'samples.png' },
      film: {
        describe: 'From noise to image, a row for each of the first images',
        value: 'FILE.png',
      },
      gif: { describe: 'The grid as it comes out of the noise', value: 'FILE.gif' },
    },
    'Sampling:': { ...weightsFlags, ...samplingFlags },
    'Diffusion, for bare weights:': bareFlags,
    ...unsaidGroups,
    'Computing:': computingFlags,
  },
  examples: [
    ['haze sample runs/1 --count 64 --out grid.png', ''],
    ['haze sample runs/1 --sampler ddim --film strip.png', 'fast, as a film strip'],
    ['haze sample runs/1 --class bus,van --guidance 3', 'two classes of a run with classes'],
    ['haze sample model.safetensors --size 32 --seed 7', 'weights from elsewhere'],
    ['haze sample checkpoint.pt#ema --size 32', 'one of the networks in a checkpoint of PyTorch'],
  ],
  notes: WEIGHTS_NOTE,
  load: () => import('./sample.js'),
};

const generate: Command = {
  name: 'generate',
  describe: 'Make many images as files',
  positional: { name: 'model', describe: MODEL, optional: false },
  groups: {
    'Images:': {
      count: { describe: 'Images, of all shards together', value: 'N', default: '64' },
      out: { describe: 'Their folder', value: 'FOLDER', default: 'generated' },
      format: {
        describe:
          'A file an image, or one for all: NumPy arr_0, uint8 [N, height, width, channels]',
        value: 'png|npz|safetensors',
        default: 'png',
      },
      shard: { describe: 'Make part i of n alone; parts may share the folder', value: 'i/n' },
      resume: { describe: 'Make images again whose files are not what the manifest says' },
    },
    'Pool:': {
      workers: {
        describe: 'Each makes batches of its own; on tensorflow they do the arithmetic beside it',
        value: 'N',
        default: '--threads, or all cores it may use',
      },
      batch: {
        describe: 'Images made at one time, at most: by a worker, or by tensorflow',
        value: 'N',
        default: '16, on tensorflow 64; fewer where memory is short',
      },
      queue: {
        describe: `Let workers on other machines make the images. ${QUEUE}`,
        value: 'URL|env',
      },
    },
    'Sampling:': {
      ...weightsFlags,
      ...samplingFlags,
      bn: {
        ...samplingFlags.bn!,
        describe:
          'BatchNorm by running statistics, or by the batch: then images depend on --batch, and only on that',
      },
    },
    'Diffusion, for bare weights:': bareFlags,
    ...unsaidGroups,
    'Computing:': computingFlags,
  },
  examples: [
    ['haze generate runs/1 --count 1000 --out cars', ''],
    ['haze generate runs/1 --count 50000 --format npz --sampler ddim', 'for an evaluator'],
    ['haze generate runs/1 --count 50000 --out cars --shard 2/4', 'one of four processes'],
    [
      'haze generate runs/1 --count 50000 --out cars --queue redis://host',
      'by haze worker elsewhere',
    ],
  ],
  notes:
    `${WEIGHTS_NOTE}\n` +
    'Image k of a seed is the same file for any workers, batch or shard. After Ctrl-C (exit 130), a crash or a full ' +
    'disk the same command goes on; what is finished and matches the manifest is kept.',
  load: () => import('./generate.js'),
};

const { threads, strict, wide } = computingFlags;

const worker: Command = {
  name: 'worker',
  describe: 'Compute for haze generate and haze train --queue on other machines',
  groups: {
    'Queue:': { ...queueFlag, ...servingFlags },
    'Computing:': { threads: threads!, strict: strict!, wide: wide! },
  },
  examples: [
    ['haze worker --queue redis://host', ''],
    ['REDIS_URL=rediss://user:password@host haze worker', 'over TLS, with a password nobody sees'],
  ],
  notes:
    'It takes jobs of its own version and build alone. Ctrl-C gives back what is in work and exits with 130. ' +
    'Weights and images are kept in the cache (HAZE_CACHE, else ~/.cache/haze) for a week.',
  load: () => import('./worker.js'),
};

const queue: Command = {
  name: 'queue',
  describe: 'Show workers, runs and jobs of a queue',
  groups: { 'Queue:': queueFlag, 'Output:': jsonFlag },
  examples: [
    ['haze queue --queue redis://host', ''],
    ['haze queue --json', 'of REDIS_URL'],
  ],
  load: () => import('./queue.js'),
};

const evaluate: Command = {
  name: 'evaluate',
  describe: 'Measure how good images are, or those of a model',
  positional: {
    name: 'subject',
    describe: `${MODEL}, whose samples are evaluated; or images: a folder, an array (.npz, .npy, .safetensors) or a data file; or statistics (.npz)`,
    optional: false,
  },
  groups: {
    'Comparison:': comparisonFlags,
    'Features:': featureFlags,
    'Likelihood, of a model:': likelihoodFlags,
    'Output:': jsonFlag,
    'Samples, of a model:': {
      count: { describe: 'Samples to draw', value: 'N', default: '1000' },
      ...weightsFlags,
      ...samplingFlags,
    },
    'Diffusion, for bare weights:': diffusionFlags,
    ...unsaidGroups,
    'Computing:': computingFlags,
  },
  examples: [
    ['haze evaluate runs/1 --reference photos/ --nearest page.png', 'with nothing to download'],
    [
      'haze evaluate cars/images.npz --reference photos/ --features inception.onnx',
      'Fréchet and kernel distance, precision and recall',
    ],
    ['haze evaluate photos/ --features inception.onnx --save-statistics photos.npz', ''],
    ['haze evaluate runs/1 --held-out others/ --json', 'loss by timestep, bits a dimension'],
  ],
  notes:
    `${WEIGHTS_NOTE}\n` +
    "A model's samples are the images that haze generate makes of the same seed. Features need the package onnxruntime-node: " +
    'npm install --save-dev --ignore-scripts onnxruntime-node.',
  load: () => import('./evaluate.js'),
};

const noise: Command = {
  name: 'noise',
  describe: 'Draw the forward process: an image going down in noise',
  positional: {
    name: 'image',
    describe: 'A picture file, or toy-cars for a drawn one',
    optional: false,
  },
  groups: {
    'Picture:': {
      size: { ...size!, describe: 'Side of each square, in pixels' },
      fit: dataFlags.fit!,
      out: { describe: 'The strip', value: 'FILE.png', default: 'noise.png' },
    },
    'Diffusion:': diffusionFlags,
    'Computing:': computingFlags,
  },
  examples: [['haze noise car.jpg --out strip.png', '']],
  load: () => import('./noise.js'),
};

const inspect: Command = {
  name: 'inspect',
  describe: 'Show layers, parameters, operations and memory of a model',
  positional: {
    name: 'model',
    describe: `${MODEL}; without it, the model of the flags`,
    optional: true,
  },
  groups: {
    'Inspection:': {
      batch: { describe: 'Batch of the memory plan', value: 'N', default: "the run's or preset's" },
      ...jsonFlag,
    },
    ...networkGroups,
    'Computing:': { threads: computingFlags.threads! },
  },
  examples: [
    ['haze inspect --preset small --batch 64', ''],
    ['haze inspect runs/1 --json', ''],
  ],
  notes: WEIGHTS_NOTE,
  load: () => import('./inspect.js'),
};

const bench: Command = {
  name: 'bench',
  describe: 'Measure how fast each path is, and compare',
  positional: {
    name: 'what',
    describe: 'arithmetic, preprocess, unet, sample, generate or all',
    optional: true,
  },
  groups: {
    'Measuring:': {
      batch: {
        describe: 'Images at a time',
        value: 'N',
        default: "8, or the recipe's; 128 for arithmetic, 64 for preprocess, several for generate",
      },
      rounds: { describe: 'Turns that each path takes; medians count', value: 'N', default: '7' },
      layers: { describe: "Show where the U-Net's time goes, layer by layer" },
      beside: {
        describe: 'Measure the U-Net once more, beside so many busy processes',
        value: 'N',
        default: '0',
      },
      peers: { describe: 'Measure PyTorch and others of bench/peers beside' },
    },
    'Output:': {
      ...jsonFlag,
      plot: { describe: 'Draw bars', value: 'FILE.svg' },
      markdown: { describe: 'Write the tables', value: 'FILE.md' },
      compare: { describe: 'Show changes since what --json wrote', value: 'OLD.json' },
    },
    ...networkGroups,
    'Computing:': {
      ...computingFlags,
      device: { ...computingFlags.device!, describe: 'Only this device', default: 'both' },
      arithmetic: { ...computingFlags.arithmetic!, describe: 'Only this one', default: 'both' },
    },
  },
  examples: [
    ['haze bench unet --preset tiny --batch 32', ''],
    ['haze bench unet --preset pictures-32', 'trained as the recipe says'],
    ['haze bench unet --layers', 'with the time of each layer'],
    ['haze bench unet --preset unet2d-32 --batch 64 --peers', "beside diffusers' own network"],
    ['haze bench unet --preset tiny --peers --beside 2', 'on a machine that is not idle'],
    ['haze bench all --peers --plot bench.svg', 'beside whatever of PyTorch and others is there'],
  ],
  notes:
    'A path that is not set up is named at the end. PYTHON names a Python that has torch, for unet2d diffusers too.',
  load: () => import('./bench.js'),
};

const parity: Command = {
  name: 'parity',
  describe: 'Compare every number with values that PyTorch computed',
  positional: {
    name: 'fixture',
    describe: 'A file of expected values',
    optional: false,
  },
  groups: { 'Diffusion:': lossFlag, 'Output:': jsonFlag, 'Computing:': withoutSeed },
  examples: [['haze parity test/fixtures/unet_rgb_16.safetensors', '']],
  notes: 'Exits with 3 when a group of values is not within its tolerance.',
  load: () => import('./parity.js'),
};

const exportModel: Command = {
  name: 'export',
  describe: 'Write a model in the form of another program, or as a web page',
  positional: {
    name: 'format',
    describe: "diffusers, or web: a page that draws in its visitors' browsers",
    optional: false,
  },
  secondPositional: {
    name: 'model',
    describe: 'A run or a checkpoint folder; for diffusers of --network unet2d',
    optional: false,
  },
  groups: {
    'Output:': { out: { describe: 'A new folder', value: 'FOLDER' }, ...weightsFlags },
    'Of diffusers, for scheduler_config.json:': OF_ONE_FORMAT.diffusers,
    'Of web:': OF_ONE_FORMAT.web,
    'Diffusion, for bare weights:': bareFlags,
    ...unsaidGroups,
  },
  examples: [
    ['haze export diffusers runs/1 --out pipeline', 'for DDPMPipeline.from_pretrained'],
    ['haze export web runs/1 --out site', 'for any web server'],
  ],
  load: () => import('./export.js'),
};

const setup: Command = {
  name: 'setup',
  describe: 'Build the native binding of TensorFlow against a current libtensorflow',
  positional: { name: 'what', describe: 'tensorflow', optional: false },
  groups: {
    'Set-up:': { cuda: { describe: "With CUDA and NVIDIA's libraries (3.3 GB, 5.6 GB on disk)" } },
  },
  examples: [
    ['haze setup tensorflow', 'for the CPU: 274 MB, 0.9 GB on disk'],
    ['haze setup tensorflow --cuda', 'for an NVIDIA GPU'],
  ],
  notes: 'It lives in the cache (HAZE_CACHE, else ~/.cache/haze) and is shared by every clone.',
  load: () => import('./setup.js'),
};

const doctor: Command = {
  name: 'doctor',
  describe: 'Show what this machine offers, and how to mend what is missing',
  groups: {
    'Output:': jsonFlag,
    'Computing:': { require: computingFlags.require! },
  },
  examples: [['haze doctor --json', '']],
  load: () => import('./doctor.js'),
};

const watch: Command = {
  name: 'watch',
  describe: 'Show runs on a page in the browser: losses, samples, speed and settings',
  positional: { name: 'runs', describe: 'A run, or a folder of runs', optional: false },
  groups: { 'Server:': watchingFlags },
  examples: [
    ['haze watch runs/1', 'one run, while it trains or later'],
    ['haze watch runs', 'several side by side'],
    ['haze watch runs/1 --port 8080', 'always at the same address'],
  ],
  notes:
    'The page reads the files of runs and changes none. It needs no network, and follows a run that trains. Ctrl-C ends it (exit 0).',
  load: () => import('./watch.js'),
};

/** In the order of help. */
export const COMMANDS: readonly Command[] = [
  train,
  watch,
  sample,
  generate,
  worker,
  queue,
  evaluate,
  noise,
  bench,
  inspect,
  parity,
  exportModel,
  setup,
  doctor,
];
