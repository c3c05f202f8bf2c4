/** `haze sample`: images from a model, as a grid, a film strip and an animation. */
import type { Args } from '../config/args.js';
import { nameOfLabel } from '../config/condition.js';
import { readCount } from '../config/drawing.js';
import type { PictureShape } from '../config/picture-shape.js';
import { readRedrawing } from '../config/read-redraw.js';
import type { Condition } from '../diffusion/guidance.js';
import { film, grid, type Images } from '../io/grid.js';
import { checkOutputPath } from '../io/output-path.js';
import { refuseOwnInputs } from '../io/own-inputs.js';
import {
  ANIMATION_EXTENSIONS,
  PICTURE_EXTENSIONS,
  writeAnimation,
  writePicture,
} from '../io/pictures.js';
import { printable } from '../printable.js';
import { inClassRows, MOST_OF_CLASSES, usualCount } from '../sample/class-rows.js';
import { toImages } from '../sample/images.js';
import type { SampleEvent, SampleOptions, SampleResult } from '../sample/options.js';
import { sample } from '../sample/sample.js';
import { plural } from '../units.js';
import { readComputers, readDraw } from './draw-options.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';
import { print } from './text.js';

/** Images in a film strip, a row each, and its columns. */
const FILM_ROWS = 4;
const FILM_MOMENTS = 10;
/** Images in an animation, and its frames. */
const GIF_IMAGES = 64;
const GIF_MOMENTS = 60;

/** How many rows of a grid are named. */
const ROWS_NAMED = 12;

/** What is written of the images: their shape, and the classes that are drawn. */
interface Told {
  readonly pictures: PictureShape;
  readonly condition: Condition | null;
  readonly classNames: readonly string[];
}

interface Outputs {
  readonly out: string | undefined;
  readonly film: string | undefined;
  readonly gif: string | undefined;
}

export async function run(args: Args): Promise<void> {
  const path = args.positional(
    'model',
    "a run, a checkpoint folder, diffusers' folder or a file of weights",
  );
  const outputs = await readOutputs(args);
  const options = await readOptions(path, args, outputs);
  let progress = openProgress('reverse step');
  let at: SampleEvent['kind'] = 'progress';
  try {
    const result = await interruptible('stopping', (signal) =>
      sample({
        ...options,
        signal,
        onEvent: (event) => {
          if (event.kind === 'note') progress.line(event.text);
          else {
            if (event.kind !== at) {
              progress.stop();
              progress = openProgress('decoded picture');
              at = event.kind;
            }
            progress.update(event.done, event.total, '');
          }
        },
      }),
    );
    progress.stop();
    await write(result, options, outputs);
  } finally {
    progress.stop();
  }
}

/** Where pictures go; the grid has a default name unless only others were requested. */
async function readOutputs(args: Args): Promise<Outputs> {
  const [out, film, gif] = [args.text('out'), args.text('film'), args.text('gif')];
  const grid = out ?? (film === undefined && gif === undefined ? 'samples.png' : undefined);
  if (grid !== undefined) await checkOutputPath('--out', grid, PICTURE_EXTENSIONS);
  if (film !== undefined) await checkOutputPath('--film', film, PICTURE_EXTENSIONS);
  if (gif !== undefined) await checkOutputPath('--gif', gif, ANIMATION_EXTENSIONS);
  const named = Object.entries({ '--out': grid, '--film': film, '--gif': gif });
  const outputs = named.flatMap(([where, path]) => (path === undefined ? [] : [{ where, path }]));
  const inputs = [args.text('from'), args.text('mask')].filter((path) => path !== undefined);
  await refuseOwnInputs(
    outputs,
    inputs.map((path) => ({ path, images: false })),
  );
  return { out: grid, film, gif };
}

async function readOptions(
  path: string,
  args: Args,
  outputs: Outputs,
): Promise<SampleOptions & Told> {
  const asked = readCount(args);
  const drawn = await readDraw(path, args, readComputers(args));
  const count = asked ?? usualCount(drawn.condition, MOST_OF_CLASSES);
  const redraw = await readRedrawing(args, drawn.pictures);
  return {
    ...drawn,
    notes: [...drawn.notes, ...(redraw?.notes ?? [])],
    redrawing: redraw?.redrawing ?? null,
    count,
    frames: frames(count, outputs),
  };
}

function frames(count: number, { film, gif }: Outputs): SampleOptions['frames'] {
  if (gif !== undefined) return { moments: GIF_MOMENTS, images: Math.min(count, GIF_IMAGES) };
  if (film !== undefined) return { moments: FILM_MOMENTS, images: Math.min(count, FILM_ROWS) };
  return null;
}

async function write(
  { images, frames }: SampleResult,
  { pictures, count, condition, classNames }: SampleOptions & Told,
  outputs: Outputs,
): Promise<void> {
  const inGrid = (all: Images) => {
    const { images, layout } = inClassRows(all, condition);
    return grid(images, layout);
  };
  const moments = frames.map((frame) => toImages(frame.images, pictures));
  if (outputs.out !== undefined) {
    await writePicture(outputs.out, inGrid(toImages(images, pictures)));
    say(outputs.out, `${plural(count, 'image')}${rowsInWords(condition, count, classNames)}`);
  }
  if (outputs.film !== undefined) {
    const columns = evenly(moments, FILM_MOMENTS).map((moment) => first(moment, FILM_ROWS));
    await writePicture(outputs.film, film(columns));
    say(outputs.film, 'from noise to image');
  }
  if (outputs.gif !== undefined) {
    await writeAnimation(outputs.gif, moments.map(inGrid));
    say(outputs.gif, 'from noise to images');
  }
}

/** What the rows of a grid show; if there are fewer images than classes, only the first of these. */
function rowsInWords(
  condition: Told['condition'],
  count: number,
  names: readonly string[],
): string {
  const labels = condition?.labels.slice(0, count) ?? [];
  const of = labels.map((label) => printable(nameOfLabel(names, label)));
  if (of.length < 2) return of.length === 1 ? ` of ${of[0]}` : '';
  return `, a row each of ${of.slice(0, ROWS_NAMED).join(', ')}${of.length > ROWS_NAMED ? ', …' : ''}`;
}

/** The first of several images. */
function first(images: Images, count: number): Images {
  const kept = Math.min(count, images.count);
  const each = images.data.length / images.count;
  return { ...images, count: kept, data: images.data.subarray(0, kept * each) };
}

/** `count` evenly spaced entries of a list, with the first and the last. */
function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from(
    { length: count },
    (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))]!,
  );
}

const say = (path: string, what: string): void => {
  print(`${printable(path)}: ${what}\n`);
};
