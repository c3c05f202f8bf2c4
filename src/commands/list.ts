import { autoencoderFlag } from '../config/autoencoder.js';
import {
  autoencoderDataFlags,
  autoencoderShapeFlags,
  autoencoderTrainingFlags,
} from '../config/autoencoder-training.js';
import { computingFlags } from '../config/computing.js';
import { diffusionFlags, lossFlag, objectiveFlag } from '../config/diffusion.js';
import { USUAL_COUNT } from '../config/drawing.js';
import { comparisonFlags, featureFlags, likelihoodFlags } from '../config/evaluation.js';
import type { Flags } from '../config/flag.js';
import { modelFlags, modelGroups, unsaidGroups } from '../config/model.js';
import { PRESET_NAMES, PRESETS } from '../config/presets.js';
import { queueFlag, servingFlags } from '../config/queue.js';
import { orPresets } from '../config/recipe-flags.js';
import { redrawFlags } from '../config/redraw.js';
import { replicaFlags } from '../config/replicas.js';
import { samplingFlags } from '../config/sampling.js';
import { targetFlags } from '../config/targets.js';
import { teacherFlags } from '../config/teacher.js';
import { dataFlags, lengthFlags, stepFlags } from '../config/training.js';
import { watchingFlags } from '../config/watching.js';
import { weightsFlags } from '../config/which-weights.js';
import type { Command } from './command.js';
import { OF_ONE_FORMAT } from './export-flags.js';

const { size } = modelFlags;

/** What neither shapes nor a config say about bare weights. */
const bareFlags: Flags = { size: { ...size!, default: '64' }, ...diffusionFlags, ...objectiveFlag };

/** Parity draws no random numbers. */
const { seed: _, ...withoutSeed } = computingFlags;

const jsonFlag = { json: { describe: 'Print JSON alone' } };

const { strict: strictFlag } = computingFlags;

/** A resume may undo it. */
const strictOrNot: Flags = {
  strict: {
    ...strictFlag!,
    describe: `${strictFlag!.describe}; --no-strict undoes it on a resume`,
    negatable: true,
  },
};

const MODEL = 'A run, a checkpoint folder, a diffusers folder or a file of weights';

const WEIGHTS_NOTE =
  'Files of weights are .safetensors and those of torch.save (.pt, .pth, .bin). If a file holds several networks, FILE#KEY chooses the one under KEY.';

/** The network's flags, for commands that take a preset. */
const networkGroups = Object.fromEntries(
  Object.entries(modelGroups).map(([title, flags]) => [title, orPresets(flags)]),
);

/** The purpose of each preset. */
function presetsAsText(): string {
  const longest = Math.max(...PRESET_NAMES.map(({ length }) => length));
  const lines = PRESET_NAMES.map((name) => `  ${name.padEnd(longest)}  ${PRESETS[name].about}`);
  return ['Presets (haze inspect --preset NAME shows all their settings):', ...lines].join('\n');
}

const { describe: QUEUE } = queueFlag.queue!;

const train: Command = {
  name: 'train',
  describe: 'Train a network on images',
  positional: {
    name: 'data',
    describe:
      'A folder of images, an IDX file, a CIFAR binary file, an array (.npz, .npy, .safetensors), or toy-cars, which Haze draws itself',
    optional: true,
    several: 'give their folder, without a wildcard',
  },
  groups: {
    'Run:': {
      out: {
        describe: "The run's folder",
        value: 'FOLDER',
        default: 'the next of runs/1, runs/2, …',
      },
      resume: { describe: 'Continue the run in --out with its own settings' },
      ...orPresets(lengthFlags),
    },
    'Training:': orPresets(stepFlags),
    'Teacher:': teacherFlags,
    'Replicas:': {
      ...orPresets(replicaFlags),
      queue: {
        describe: `Let workers on other machines train the replicas of --sync-every. ${QUEUE}`,
        value: 'URL|env',
      },
    },
    'Watching:': {
      watch: { describe: 'Serve the page of haze watch while the run trains' },
      ...watchingFlags,
      tensorboard: {
        describe:
          "Also write TensorBoard's event file; a resume of a run that has one continues it",
      },
    },
    'Data:': orPresets(dataFlags),
    ...networkGroups,
    'Diffusion:': orPresets({
      ...{ ...diffusionFlags, ...objectiveFlag, ...lossFlag, ...targetFlags },
    }),
    'Computing:': {
      ...computingFlags,
      ...strictOrNot,
    },
  },
  examples: [
    ['haze train toy-cars --preset tiny --steps 300', 'the quickest first try'],
    ['haze train photos/ --preset pictures-32 --minutes 30', 'your images, with a recipe'],
    ['haze train photos/ --preset small --held-out 0.1', 'a tenth held out'],
    ['haze train photos/ --preset unet2d-32 --classes folders', 'class-conditional, by subfolder'],
    ['haze train photos/ --teacher runs/1 --student-steps 4', 'a model that draws in 4 steps'],
    ['haze train photos/ --out runs/1 --resume --epochs 200', 'train for longer'],
    [
      'haze train photos/ --replicas 4 --sync-every 25 --queue redis://host',
      'four replicas, by workers of other machines',
    ],
  ],
  notes: `Ctrl-C saves a checkpoint and exits with 130.\n\n${presetsAsText()}`,
  load: () => import('./train.js'),
};

const { arithmetic: __, ...withoutArithmetic } = computingFlags;

const autoencoder: Command = {
  name: 'autoencoder',
  describe: 'Train an autoencoder on pictures, for haze train --autoencoder',
  positional: {
    name: 'data',
    describe: 'Pictures, as haze train takes them; on a resume only if they were moved',
    optional: true,
    several: 'give their folder, without a wildcard',
  },
  groups: {
    'Training:': {
      out: { describe: 'The folder of the autoencoder', value: 'FOLDER', default: 'vae' },
      resume: { describe: 'Continue the training in --out with its own settings' },
      ...autoencoderTrainingFlags,
    },
    'Data:': autoencoderDataFlags,
    'Autoencoder:': autoencoderShapeFlags,
    'Computing:': {
      ...withoutArithmetic,
      device: {
        ...computingFlags.device!,
        describe: computingFlags.device!.describe.replace('the U-Net', 'the network'),
      },
    },
  },
  examples: [
    ['haze autoencoder photos/ --out vae', 'pictures of 64 pixels to latents of 16, and back'],
    ['haze autoencoder photos/ --size 128 --widths 32,64,96,128', 'of 128 pixels to 16'],
    ['haze autoencoder --out vae --resume --steps 8000', 'train for longer'],
    ['haze train photos/ --autoencoder vae --size 16', 'then train on the latents'],
  ],
  notes:
    'The folder is an AutoencoderKL of diffusers; reconstructions.png in it shows pictures above what comes back of them. ' +
    'Ctrl-C saves and exits with 130.',
  load: () => import('./autoencoder.js'),
};

const sample: Command = {
  name: 'sample',
  describe: 'Draw images from a model',
  positional: { name: 'model', describe: MODEL, optional: false },
  groups: {
    'Pictures:': {
      count: { describe: 'Images', value: 'N', default: String(USUAL_COUNT.sample) },
      out: {
        describe: 'All images in a grid',
        value: 'FILE.png',
        default: 'samples.png, unless --film or --gif is given',
      },
      film: {
        describe: 'Strip from noise to image, a row for each of the first images',
        value: 'FILE.png',
      },
      gif: { describe: 'Animation of the grid, from noise to images', value: 'FILE.gif' },
    },
    'From a picture:': redrawFlags,
    'Sampling:': { ...weightsFlags, ...autoencoderFlag, ...samplingFlags },
    'Diffusion, for bare weights:': bareFlags,
    ...unsaidGroups,
    'Computing:': computingFlags,
  },
  examples: [
    ['haze sample runs/1 --count 64 --out grid.png', ''],
    ['haze sample runs/1 --sampler ddim --film strip.png', 'fast, as a film strip'],
    ['haze sample runs/1 --class bus,van --guidance 3', 'two classes of a class-conditional run'],
    ['haze sample runs/1 --from photo.jpg --strength 0.6', 'variations of a picture'],
    ['haze sample runs/1 --from photo.jpg --mask mask.png', 'a part of it drawn anew'],
    ['haze sample model.safetensors --size 32 --seed 7', 'weights from elsewhere'],
    ['haze sample checkpoint.pt#ema --size 32', 'one of the networks in a PyTorch checkpoint'],
  ],
  notes: WEIGHTS_NOTE,
  load: () => import('./sample.js'),
};

const generate: Command = {
  name: 'generate',
  describe: 'Draw many images into files',
  positional: { name: 'model', describe: MODEL, optional: false },
  groups: {
    'Images:': {
      count: {
        describe: 'Number of images, over all shards',
        value: 'N',
        default: String(USUAL_COUNT.generate),
      },
      out: { describe: 'Their folder', value: 'FOLDER', default: 'generated' },
      format: {
        describe:
          'One file per image (png), or one for all: NumPy arr_0, uint8 [N, height, width, channels]',
        value: 'png|npz|safetensors',
        default: 'png',
      },
      shard: { describe: 'Draw only part i of n; parts may share the folder', value: 'i/n' },
      resume: { describe: 'Redraw images whose files do not match the manifest' },
    },
    'Pool:': {
      workers: {
        describe: 'Each draws its own batches; on tensorflow they do the arithmetic beside it',
        value: 'N',
        default: '--threads, or all cores it may use',
      },
      batch: {
        describe: 'Largest number of images at once, per worker or on tensorflow',
        value: 'N',
        default: '16, on tensorflow 64; fewer if memory is short',
      },
      queue: {
        describe: `Let workers on other machines draw the images. ${QUEUE}`,
        value: 'URL|env',
      },
    },
    'Sampling:': {
      ...weightsFlags,
      ...autoencoderFlag,
      ...samplingFlags,
      bn: {
        ...samplingFlags.bn!,
        describe:
          'BatchNorm by running statistics, or by the batch: images then also depend on --batch',
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
      'by workers on other machines',
    ],
  ],
  notes:
    `${WEIGHTS_NOTE}\n` +
    'Image k of a seed is the same file for any workers, batch or shard. After Ctrl-C (exit 130), a crash or a full ' +
    'disk the same command continues; finished files that match the manifest are kept.',
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
    ['REDIS_URL=rediss://user:password@host haze worker', 'over TLS, with the password hidden'],
  ],
  notes:
    'It takes only jobs for its own version and build. Ctrl-C returns its jobs to the queue and exits with 130. ' +
    'Weights and images are kept in the cache (HAZE_CACHE, else ~/.cache/haze) for a week.',
  load: () => import('./worker.js'),
};

const queue: Command = {
  name: 'queue',
  describe: 'Show the workers, runs and jobs of a queue',
  groups: { 'Queue:': queueFlag, 'Output:': jsonFlag },
  examples: [
    ['haze queue --queue redis://host', ''],
    ['haze queue --json', 'of REDIS_URL'],
  ],
  load: () => import('./queue.js'),
};

const evaluate: Command = {
  name: 'evaluate',
  describe: "Measure the quality of images, or of a model's samples",
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
      count: { describe: 'Samples to draw', value: 'N', default: String(USUAL_COUNT.evaluate) },
      ...weightsFlags,
      ...autoencoderFlag,
      ...samplingFlags,
    },
    'Diffusion, for bare weights:': { ...diffusionFlags, ...objectiveFlag },
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
    ['haze evaluate runs/1 --held-out others/ --json', 'loss by timestep, bits per dimension'],
  ],
  notes:
    `${WEIGHTS_NOTE}\n` +
    "A model's samples are those of haze generate with the same seed. Features need the package onnxruntime-node: " +
    'npm install --save-dev --ignore-scripts onnxruntime-node.',
  load: () => import('./evaluate.js'),
};

const noise: Command = {
  name: 'noise',
  describe: 'Draw the forward process: an image that turns into noise',
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
    describe: `${MODEL}; without it, the model that the flags describe`,
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
  describe: 'Measure and compare the speed of each path',
  positional: {
    name: 'what',
    describe: 'arithmetic, preprocess, unet, sample, generate or all',
    optional: true,
  },
  groups: {
    'Measuring:': {
      batch: {
        describe: 'Images per batch',
        value: 'N',
        default: "8, or the recipe's; 128 for arithmetic, 64 for preprocess, several for generate",
      },
      rounds: {
        describe: 'Rounds; each path runs once per round, and medians count',
        value: 'N',
        default: '7',
      },
      layers: { describe: "Show where the U-Net's time goes, layer by layer" },
      beside: {
        describe: 'Measure the U-Net a second time, beside N busy processes',
        value: 'N',
        default: '0',
      },
      peers: { describe: 'Also measure PyTorch and the other peers of bench/peers' },
    },
    'Output:': {
      ...jsonFlag,
      plot: { describe: 'Draw bars', value: 'FILE.svg' },
      markdown: { describe: 'Write the tables', value: 'FILE.md' },
      compare: { describe: 'Show changes since an earlier --json report', value: 'OLD.json' },
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
    ['haze bench unet --preset pictures-32', "with the recipe's training settings"],
    ['haze bench unet --layers', 'with the time of each layer'],
    ['haze bench unet --preset unet2d-32 --batch 64 --peers', "beside diffusers' own network"],
    ['haze bench unet --preset tiny --peers --beside 2', 'idle, and beside two busy processes'],
    ['haze bench all --peers --plot bench.svg', 'beside PyTorch and all other installed peers'],
  ],
  notes:
    'Paths that are not set up are listed at the end. PYTHON names a Python with torch, and diffusers for unet2d and dit.',
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
  notes: 'Exits with 3 if a group of values is outside its tolerance.',
  load: () => import('./parity.js'),
};

const exportModel: Command = {
  name: 'export',
  describe: "Write a model in another program's format, or as a web page",
  positional: {
    name: 'format',
    describe: "diffusers, or web: a page that draws images in the visitor's browser",
    optional: false,
  },
  secondPositional: {
    name: 'model',
    describe: 'A run or a checkpoint folder; diffusers needs --network unet2d or dit',
    optional: false,
  },
  groups: {
    'Output:': {
      ...{ out: { describe: 'A new folder', value: 'FOLDER' }, ...weightsFlags },
      autoencoder: {
        ...autoencoderFlag.autoencoder!,
        describe: 'The AutoencoderKL or AutoencoderTiny of its latents, a folder of diffusers',
      },
    },
    "diffusers' scheduler_config.json:": OF_ONE_FORMAT.diffusers,
    'Of web:': OF_ONE_FORMAT.web,
    'Diffusion, for bare weights:': bareFlags,
    ...unsaidGroups,
  },
  examples: [
    ['haze export diffusers runs/1 --out pipeline', 'for from_pretrained'],
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
  notes:
    'The result is kept in the cache (HAZE_CACHE, else ~/.cache/haze), which all clones share.',
  load: () => import('./setup.js'),
};

const doctor: Command = {
  name: 'doctor',
  describe: 'Show what this machine supports, and how to fix what is missing',
  groups: {
    'Output:': jsonFlag,
    'Computing:': { require: computingFlags.require! },
  },
  examples: [['haze doctor --json', '']],
  load: () => import('./doctor.js'),
};

const watch: Command = {
  name: 'watch',
  describe: 'Show runs on a web page: losses, samples, speed and settings',
  positional: { name: 'runs', describe: 'A run, or a folder of runs', optional: false },
  groups: { 'Server:': watchingFlags },
  examples: [
    ['haze watch runs/1', 'one run, during or after training'],
    ['haze watch runs', 'several side by side'],
    ['haze watch runs/1 --port 8080', 'at a fixed address'],
  ],
  notes:
    "The page only reads the runs' files. It needs no network, and follows a run as it trains. Ctrl-C ends it (exit 0).",
  load: () => import('./watch.js'),
};

/** In the order of help. */
export const COMMANDS: readonly Command[] = [
  train,
  autoencoder,
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
