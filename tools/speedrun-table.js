// What `npm run speedrun` makes: the pictures and figures of README.md, the guides and docs/QUALITY.md, and the commands behind them.
// In commands OUT stands for the folder of pictures, MODELS for that of trained models, TMP for one that is removed, and CARS32 or GARMENTS for the option.

/** Photographs that the project does not carry, by option. */
export const DATA = {
  cars32:
    "train/ with the 5,000 photographs of CIFAR-10's automobiles, test/ with its 1,000 others",
  garments: '900 grey pictures of garments, 28x28 pixels',
  emoji:
    '3,786 emoji of 64x64 pixels: img/google/64 of the npm package emoji-datasource-google 16.0.0',
};

/** Models that pictures are drawn from: the words after `haze train`, and minutes on two cores. */
export const MODELS = {
  minutes: {
    minutes: 3,
    train: 'toy-cars --preset minutes-32 --time-sampling uniform --seed 0',
  },
  cars: {
    minutes: 2,
    train:
      'toy-cars --preset minutes-32 --time-sampling uniform --steps 400 --held-out 0.1 --sample-every 80',
  },
  classes: {
    minutes: 3,
    train:
      'toy-cars --classes bodies --network unet2d --size 32 --widths 16,32,64 --layers-per-block 1 --batch 32 --optimizer muon --lr 0.002 --warmup 50 --decay cosine --schedule cosine --loss l2 --ema 0.99 --clip 1 --steps 600 --sample-every 0',
  },
  photographs: {
    minutes: 24,
    data: 'cars32',
    train: 'CARS32/train --preset pictures-32 --steps 2400 --sample-every 0',
  },
  transformer: {
    minutes: 27,
    data: 'cars32',
    train: 'CARS32/train --preset dit-32 --steps 2400 --sample-every 0',
  },
  long: {
    minutes: 203,
    data: 'cars32',
    train:
      'CARS32/train --preset pictures-32 --steps 20700 --weighting none --time-sampling uniform --sample-every 0 --save-every 300 --keep 69',
  },
  hours: {
    minutes: 118,
    data: 'cars32',
    train:
      'CARS32/train --preset pictures-32 --steps 12000 --sample-every 0 --save-every 300 --keep 40',
  },
  cars64: {
    minutes: 36,
    data: 'cars32',
    train: 'CARS32/train --preset pictures-64 --steps 1200 --sample-every 0',
  },
  short: {
    minutes: 6,
    data: 'cars32',
    train: 'CARS32/train --preset pictures-32 --steps 600 --sample-every 0 --keep-guide none',
  },
  quick: {
    minutes: 3,
    data: 'cars32',
    train: 'CARS32/train --preset minutes-32 --sample-every 0',
  },
  small: {
    minutes: 15,
    data: 'cars32',
    train: 'CARS32/train --preset small --steps 1988 --sample-every 0',
  },
  garments: {
    minutes: 10,
    data: 'garments',
    train: 'GARMENTS --preset sprites-28 --sample-every 0',
  },
  emoji: {
    minutes: 89,
    data: 'emoji',
    train:
      'EMOJI --preset pictures-64 --time-sampling uniform --no-flip --steps 3000 --held-out 0.1',
  },
};

const PRESETS = ['reference', 'small', 'tiny', 'unet2d-32', 'unet2d-64'];
const RECIPES = ['minutes-32', 'pictures-32', 'pictures-64', 'dit-32', 'sprites-28'];
const BATCHES = [8, 32, 64, 128];

/** Guides of the long run, with W. The document's guide of step 5,175 was the run's own; the nearest checkpoint stands for it. */
const GUIDES = [
  ['none', 1],
  ...[300, 600, 900, 1200, 1500].map((step) => [`MODELS/long/checkpoints/step-${step}`, 2]),
  ['MODELS/long/checkpoints/step-5100', 2],
  ['MODELS/long/checkpoints/step-5100', 3.5],
  ['TMP/short', 2],
  ['TMP/short', 2.5],
];

/** Guides of today's recipe after as long a time. */
const HOURS_GUIDES = [
  ['none', 1],
  ['MODELS/hours/checkpoints/step-600', 1.5],
  ['MODELS/hours/checkpoints/step-1200', 1.25],
  ['MODELS/hours/checkpoints/step-3000', 1.5],
  ['MODELS/hours/checkpoints/step-6000', 1.5],
];

const UNWEIGHTED = '--weighting none --time-sampling uniform';

/** Changes of the model `short` for about the same time. */
const CHANGES = [
  '--steps 600 --attention none --no-mid-attention',
  '--steps 600 --attention 8,16',
  '--steps 600 --time-sampling uniform',
  '--steps 600 --time-sampling uniform --snr-gamma 1',
  '--steps 600 --time-sampling uniform --snr-gamma 10',
  '--steps 600 --time-sampling uniform --muon-lr 0.04',
  '--steps 600 --weighting none',
  `--steps 600 ${UNWEIGHTED}`,
  `--steps 600 ${UNWEIGHTED} --optimizer adamw`,
  `--steps 1150 ${UNWEIGHTED} --batch 16`,
  `--steps 305 ${UNWEIGHTED} --batch 64`,
  `--steps 1150 ${UNWEIGHTED} --grow 16:0.7`,
];

/** Ways to sample the model `photographs`, and `quick`. */
const WAYS = [
  '--spacing even --sample-steps 32',
  '--eta 0.5 --spacing even --sample-steps 32',
  '--eta 0',
  '--eta 0 --spacing even --sample-steps 32',
  '--eta 0 --spacing even --sample-steps 20',
  '--sampler dpm++2m --sample-steps 16',
  '--sampler unipc --sample-steps 10',
  '--eta 0 --spacing even --sample-steps 32 --guidance 1',
];
const QUICK_WAYS = ['--eta 0', '--guidance 1', '--eta 0 --guidance 1'];

/** Commands that judge a model's samples in several ways. */
const judged = (model, ways) => [
  ...ways.map(
    (flags, i) => `haze generate MODELS/${model} --count 500 --format npz ${flags} --out TMP/${i}`,
  ),
  [JUDGE, ...ways.map((_, i) => `TMP/${i}/images.npz`)].join(' '),
];

const JUDGE = 'python bench/peers/judge.py CARS32/train';

/**
 * By name: the pictures that are written to OUT or the figures that are printed, the section that shows them, minutes on two cores besides training, the
 * model, what else is needed, the major version of Node if it matters, and the commands.
 */
export const ROWS = {
  'toy-cars': {
    ...{ pictures: ['toy-cars.png'], where: 'README', minutes: 1, model: 'minutes' },
    commands: ['haze sample MODELS/minutes --count 36 --seed 0 --out OUT/toy-cars.png'],
  },
  film: {
    ...{ pictures: ['film.png'], where: 'README', minutes: 1, model: 'minutes' },
    commands: [
      'haze sample MODELS/minutes --count 4 --seed 0 --out TMP/film.png --film OUT/film.png',
    ],
  },
  redraw: {
    ...{ pictures: ['redraw.png'], where: 'guides/sampling, From a picture', minutes: 1 },
    ...{ model: 'minutes', node: 24 },
    commands: ['node examples/redraw.ts MODELS/minutes OUT/redraw.png 4'],
  },
  latents: {
    ...{ pictures: ['latents.png'], minutes: 20 },
    where: 'guides/latents, An autoencoder of your own',
    commands: [
      'haze autoencoder toy-cars --steps 2000 --out TMP/vae',
      'haze train toy-cars --autoencoder TMP/vae --preset pictures-32 --size 16 --steps 2500 --sample-every 0 --out TMP/latents',
      'haze sample TMP/latents --count 24 --seed 0 --out OUT/latents.png',
    ],
  },
  watch: {
    ...{ pictures: ['watch-light.png', 'watch-dark.png'], where: 'README, Watch', minutes: 1 },
    ...{ model: 'cars', needs: 'Chromium' },
    commands: [
      'HAZE_SCREENSHOTS=MODELS/cars HAZE_IMAGES=OUT ava dist/test/watch/page.test.js --match=*README*',
    ],
  },
  web: {
    ...{ pictures: ['web.png'], figures: 'bytes of an exported page' },
    ...{
      where: 'README, In a browser; guides/browser, 2. What it weighs',
      minutes: 1,
      model: 'minutes',
      needs: 'Chromium',
    },
    commands: [
      'haze export web MODELS/minutes --out TMP/site',
      'HAZE_SITE=TMP/site HAZE_IMAGES=OUT ava dist/test/browser/page.test.js --match=*README*',
    ],
  },
  classes: {
    ...{ pictures: ['classes.png'], figures: 'share of samples that look like their class' },
    ...{ where: 'guides/classes, An example', minutes: 2, model: 'classes' },
    commands: ['node dist/bench/guidance.js MODELS/classes 16 1,3 OUT/classes.png'],
  },
  'cars-guided': {
    ...{ pictures: ['cars-guided.png'], where: 'README, Real photographs; QUALITY', minutes: 1 },
    model: 'photographs',
    commands: ['haze sample MODELS/photographs --count 40 --out OUT/cars-guided.png'],
  },
  'cars-plain': {
    ...{ pictures: ['cars-plain.png'], where: 'QUALITY', minutes: 1, model: 'photographs' },
    commands: ['haze sample MODELS/photographs --count 40 --guidance 1 --out OUT/cars-plain.png'],
  },
  'cars-hours': {
    ...{ pictures: ['cars-hours.png'], figures: "a classifier's judgement with other guides" },
    ...{ where: 'QUALITY; QUALITY, The guide', minutes: 30, model: 'hours' },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze sample MODELS/hours --count 40 --out OUT/cars-hours.png',
      'haze generate MODELS/hours --count 1000 --format npz --out TMP/hours',
      ...HOURS_GUIDES.map(
        ([guide, w], i) =>
          `haze generate MODELS/hours --count 500 --format npz --guide ${guide} --guidance ${w} --out TMP/${i}`,
      ),
      [JUDGE, 'TMP/hours/images.npz', ...HOURS_GUIDES.map((_, i) => `TMP/${i}/images.npz`)].join(
        ' ',
      ),
    ],
  },
  'cars-small': {
    ...{ pictures: ['cars-small.png'], figures: "a classifier's judgement of 1,000 of these" },
    ...{ where: 'QUALITY', minutes: 15, model: 'small' },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze sample MODELS/small --count 40 --out OUT/cars-small.png',
      'haze generate MODELS/small --count 1000 --format npz --out TMP/small',
      `${JUDGE} TMP/small/images.npz`,
    ],
  },
  'cars-transformer': {
    ...{ pictures: ['cars-transformer.png'], figures: "a classifier's judgement of these" },
    ...{ where: 'QUALITY, A transformer', minutes: 12, model: 'transformer' },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze sample MODELS/transformer --count 40 --out OUT/cars-transformer.png',
      'haze generate MODELS/transformer --count 500 --format npz --out TMP/guided',
      'haze generate MODELS/transformer --count 500 --format npz --guidance 1 --out TMP/plain',
      `${JUDGE} TMP/guided/images.npz TMP/plain/images.npz`,
    ],
  },
  samplers: {
    ...{ figures: 'the same by other samplers', where: 'QUALITY, The sampler', minutes: 30 },
    ...{ model: 'photographs', needs: 'PYTHON with torch, h5py and pillow' },
    commands: judged('photographs', WAYS),
  },
  'samplers-quick': {
    ...{ figures: 'the same of a short run', where: 'QUALITY, The sampler', minutes: 5 },
    ...{ model: 'quick', needs: 'PYTHON with torch, h5py and pillow' },
    commands: judged('quick', QUICK_WAYS),
  },
  'cars-few': {
    ...{ pictures: ['cars-few.png'], figures: "a classifier's judgement of students" },
    ...{ where: 'QUALITY, Few steps; guides/few-steps', minutes: 30, model: 'photographs' },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze train CARS32/train --teacher MODELS/photographs --sample-every 0 --out TMP/four',
      'haze train CARS32/train --teacher TMP/four --teacher-steps 4 --student-steps 2 --sample-every 0 --out TMP/two',
      'haze train CARS32/train --teacher TMP/two --teacher-steps 2 --student-steps 1 --sample-every 0 --out TMP/one',
      ...['four', 'two', 'one'].map(
        (name) => `haze generate TMP/${name} --count 500 --format npz --out TMP/of-${name}`,
      ),
      ...[32, 8, 4].map(
        (steps) =>
          `haze generate MODELS/photographs --count 500 --format npz --eta 0 --spacing even --sample-steps ${steps} --out TMP/in-${steps}`,
      ),
      [
        JUDGE,
        ...['of-four', 'of-two', 'of-one', 'in-32', 'in-8', 'in-4'].map(
          (name) => `TMP/${name}/images.npz`,
        ),
      ].join(' '),
      'haze sample TMP/four --count 40 --out OUT/cars-few.png',
    ],
  },
  garments: {
    ...{ pictures: ['garments.png'], where: 'QUALITY', minutes: 1, model: 'garments' },
    commands: ['haze sample MODELS/garments --count 60 --out OUT/garments.png'],
  },
  emoji: {
    ...{ pictures: ['emoji.png'], figures: 'distances of emoji, drawn and held out' },
    ...{ where: 'QUALITY, Emoji', minutes: 45, model: 'emoji' },
    commands: [
      'haze sample MODELS/emoji --count 64 --out OUT/emoji.png',
      'haze generate MODELS/emoji --count 500 --format npz --out TMP/emoji',
      'haze generate MODELS/emoji --count 500 --format npz --guidance 1 --out TMP/plain',
      'haze evaluate TMP/emoji/images.npz --reference EMOJI --nearest TMP/near.png',
      'haze evaluate TMP/plain/images.npz --reference EMOJI',
    ],
  },
  judge: {
    ...{ figures: "a classifier's judgement of samples and photographs", where: 'QUALITY' },
    ...{ minutes: 18, model: 'photographs', needs: 'PYTHON with torch, h5py and pillow' },
    commands: [
      'haze generate MODELS/photographs --count 1000 --format npz --out TMP/cars',
      'haze generate MODELS/photographs --count 1000 --format npz --guidance 1 --out TMP/plain',
      `${JUDGE} TMP/cars/images.npz TMP/plain/images.npz CARS32/test`,
    ],
  },
  'judge-64': {
    ...{ figures: 'the same of a short run at 64x64', where: 'QUALITY, Photographs at 64x64' },
    ...{ minutes: 15, model: 'cars64', needs: 'PYTHON with torch, h5py and pillow' },
    commands: [
      'haze generate MODELS/cars64 --count 500 --format npz --out TMP/cars64',
      'haze generate MODELS/cars64 --count 500 --format npz --guidance 1 --out TMP/plain',
      `${JUDGE} TMP/cars64/images.npz TMP/plain/images.npz`,
    ],
  },
  'judge-quick': {
    ...{ figures: 'the same of a short run', where: 'QUALITY', minutes: 2, model: 'quick' },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze generate MODELS/quick --count 500 --format npz --out TMP/quick',
      `${JUDGE} TMP/quick/images.npz`,
    ],
  },
  'judge-guidance': {
    ...{ figures: 'the same with more or less guidance', where: 'QUALITY, The guide', minutes: 6 },
    ...{ model: 'photographs', needs: 'PYTHON with torch, h5py and pillow' },
    commands: [
      ...[1, 1.5, 2].map(
        (w) =>
          `haze generate MODELS/photographs --count 500 --format npz --guidance ${w} --out TMP/${w}`,
      ),
      `${JUDGE} TMP/1/images.npz TMP/1.5/images.npz TMP/2/images.npz`,
      'haze evaluate TMP/1.5/images.npz --reference CARS32/train',
      'haze evaluate CARS32/test --reference CARS32/train',
    ],
  },
  'judge-long': {
    ...{
      figures: 'the same of a long run without weights of the loss',
      where: 'QUALITY',
      minutes: 10,
      model: 'long',
    },
    needs: 'PYTHON with torch, h5py and pillow',
    commands: [
      'haze generate MODELS/long --count 1000 --format npz --guidance 2 --out TMP/long',
      `${JUDGE} TMP/long/images.npz`,
    ],
  },
  guides: {
    ...{ figures: 'the same with other guides', where: 'QUALITY, The guide', minutes: 60 },
    ...{ model: 'long', needs: 'PYTHON with torch, h5py and pillow' },
    commands: [
      `haze train ${MODELS.short.train} ${UNWEIGHTED} --out TMP/short`,
      ...GUIDES.map(
        ([guide, w], i) =>
          `haze generate MODELS/long --count 500 --format npz --guide ${guide} --guidance ${w} --out TMP/${i}`,
      ),
      [JUDGE, ...GUIDES.map((_, i) => `TMP/${i}/images.npz`)].join(' '),
    ],
  },
  changes: {
    ...{ figures: 'the same of changed recipes', where: 'QUALITY, What improves quality' },
    ...{ minutes: 60, model: 'short', needs: 'PYTHON with torch, h5py and pillow' },
    commands: [
      ...CHANGES.map(
        (flags, i) =>
          `haze train CARS32/train --preset pictures-32 --sample-every 0 --keep-guide none ${flags} --out TMP/${i}`,
      ),
      'haze generate MODELS/short --count 500 --format npz --out TMP/short',
      ...CHANGES.map((_, i) => `haze generate TMP/${i} --count 500 --format npz --out TMP/g${i}`),
      [JUDGE, 'TMP/short/images.npz', ...CHANGES.map((_, i) => `TMP/g${i}/images.npz`)].join(' '),
    ],
  },
  'torch-recipe': {
    ...{ figures: 'losses and samples of the same recipe in PyTorch', where: 'QUALITY' },
    ...{ minutes: 30, model: 'short', needs: 'PYTHON with torch, diffusers, h5py and pillow' },
    commands: [
      ...[0, 1].map(
        (seed) =>
          `python bench/peers/torch_recipe.py MODELS/short CARS32/train --count 500 --guidance 1 --seed ${seed} --out TMP/${seed}.npz`,
      ),
      `haze train ${MODELS.short.train} --seed 1 --out TMP/other`,
      'haze generate TMP/other --count 500 --format npz --out TMP/drawn',
      `${JUDGE} TMP/0.npz TMP/1.npz TMP/drawn/images.npz`,
    ],
  },
  memory: {
    ...{ figures: 'parameters, memory and largest batches', minutes: 1 },
    where: 'README, Presets; guides/training, Memory; guides/networks',
    commands: [
      ...[...PRESETS, ...RECIPES].map((name) => `haze inspect --preset ${name} --threads 2`),
      ...BATCHES.map((batch) => `haze inspect --threads 2 --batch ${batch}`),
      'haze inspect --threads 2 --norm shared',
    ],
  },
  setup: {
    ...{
      figures: 'download of the tensorflow device',
      where: 'guides/devices, tensorflow; README, Devices',
      minutes: 3,
    },
    ...{ needs: 'Python 3 and a C++ compiler' },
    commands: ['HAZE_CACHE=TMP/cache haze setup tensorflow'],
  },
  'setup-cuda': {
    ...{ figures: 'the same with CUDA', where: 'guides/devices, tensorflow', minutes: 5 },
    ...{ needs: 'Python 3, a C++ compiler and 9 GB of disk' },
    commands: ['HAZE_CACHE=TMP/cache haze setup tensorflow --cuda'],
  },
  recipes: {
    ...{ figures: 'images per second of training, on Node 20', where: 'README, Recipes' },
    ...{ minutes: 8, node: 20 },
    commands: RECIPES.map((name) => `haze bench unet --preset ${name} --device wasm --rounds 3`),
  },
  'long-run': {
    ...{
      figures: 'milliseconds until the page of a long run is drawn',
      where: 'guides/watch, Long runs',
    },
    ...{ minutes: 2, needs: 'Chromium' },
    commands: ['ava dist/test/watch/long-run.test.js'],
  },
  queue: {
    ...{
      figures: 'images per second of two workers and a queue',
      where: 'guides/machines, 3. Images',
    },
    ...{ minutes: 5, needs: 'redis-server' },
    commands: ['node dist/bench/queue.js'],
  },
};

/** The command that trains a model. */
export const trainCommand = (name) => `haze train ${MODELS[name].train} --out MODELS/${name}`;

/** What a row makes, where it is shown, and what it takes; its commands below. */
function describe([name, { pictures = [], figures = [], where, minutes, model, needs, commands }]) {
  const option = MODELS[model]?.data;
  const made = pictures.concat(figures).join(', ');
  const trained = model ? ` and the model ${model}` : '';
  const needed = [needs, option && `--${option}`].filter(Boolean).join(' and ');
  const head = `${name}: ${made} (${where}); ${minutes} min${trained}${needed && `; needs ${needed}`}`;
  return [head, ...commands.map((command) => `  ${command}`)].join('\n');
}

/** Models and rows as text. */
export function list() {
  const models = Object.entries(MODELS).map(
    ([name, { minutes }]) => `model ${name}: ${minutes} min\n  ${trainCommand(name)}`,
  );
  return [...models, ...Object.entries(ROWS).map(describe)].join('\n');
}
