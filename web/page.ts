/** The page: its controls, and the picture. Workers compute. */
import {
  type About,
  type BrowserModel,
  type Drawn,
  type DrawOptions,
  Interrupted,
  load,
} from 'haze/browser';
import { isolate } from './isolate.js';

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

const about = element<HTMLParagraphElement>('about');
const form = element<HTMLFormElement>('settings');
const [seed, count, steps, guidance, workers] = (
  ['seed', 'count', 'steps', 'guidance', 'workers'] as const
).map((id) => element<HTMLInputElement>(id)) as [
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
];
const sampler = element<HTMLSelectElement>('sampler');
const ofClass = element<HTMLSelectElement>('class');
const drawButton = element<HTMLButtonElement>('draw');
const cancelButton = element<HTMLButtonElement>('cancel');
const saveButton = element<HTMLButtonElement>('save');
const progress = element<HTMLProgressElement>('progress');
const status = element<HTMLParagraphElement>('status');
const picture = element<HTMLCanvasElement>('picture');

/** The option for all classes in turn. */
const ALL = '*';

/** Cancels the current drawing. */
let drawing: AbortController | undefined;

async function start(): Promise<void> {
  if (await isolate()) return;
  try {
    const model = await load('.', { onProgress: show });
    offer(model);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void draw(model);
    });
  } catch (error) {
    about.textContent = `The model cannot be opened: ${textOf(error)}`;
  }
}

/** Fills the controls with the model's settings. */
function offer({ about: model }: BrowserModel): void {
  const { classes, none, guide, samplers, mostSteps, processors } = model;
  about.textContent = inWords(model);
  count.value = String(model.count);
  sampler.replaceChildren(...samplers.map(({ name }) => option(name, name)));
  steps.max = String(mostSteps);
  const setSteps = () => {
    steps.value = String(samplers.find(({ name }) => name === sampler.value)?.steps ?? 1);
  };
  sampler.addEventListener('change', setSteps);
  setSteps();
  const labels = classes.map((name) => option(name, name));
  ofClass.replaceChildren(
    option(ALL, 'all in turn'),
    ...labels,
    ...(none ? [option('none', 'none')] : []),
  );
  reveal(ofClass, classes.length > 0);
  guidance.value = String(guide ?? 1);
  reveal(guidance, none || guide !== null);
  workers.max = String(processors);
  workers.value = String(processors);
  progress.value = 0;
  drawButton.disabled = false;
}

/** What is drawn, and how. */
function inWords({ size, channels, latents, processors, build }: About): string {
  const colours = channels === 3 ? 'Colour' : 'Grey';
  const drawn = latents
    ? `decoded from latents of ${latents.size}x${latents.size}, which are drawn`
    : 'drawn';
  const threads = processors > 1 ? `up to ${processors} workers` : 'one worker';
  return `${colours} images of ${size}x${size} pixels, ${drawn} by ${threads} (${build} SIMD).`;
}

function reveal(control: HTMLElement, shown: boolean): void {
  control.closest('label')!.hidden = !shown;
}

function option(value: string, text: string): HTMLOptionElement {
  const made = document.createElement('option');
  made.value = value;
  made.textContent = text;
  return made;
}

/** The settings of the controls. */
function asked({ about: { classes, none, guide, samplers } }: BrowserModel): DrawOptions {
  const name = samplers.find((known) => known.name === sampler.value)!.name;
  return {
    ...{ seed: seed.valueAsNumber, count: count.valueAsNumber, workers: workers.valueAsNumber },
    ...{ sampler: name, steps: steps.valueAsNumber },
    ...(classes.length > 0 && ofClass.value !== ALL && { class: ofClass.value }),
    ...((none || guide !== null) && { guidance: guidance.valueAsNumber }),
  };
}

async function draw(model: BrowserModel): Promise<void> {
  if (drawing) return;
  drawing = new AbortController();
  const began = performance.now();
  const settings = asked(model);
  busy(true);
  show(0, 1);
  status.textContent = 'Drawing …';
  try {
    const drawn = await model.draw({ ...settings, signal: drawing.signal, onProgress: show });
    paint(drawn, settings);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    status.textContent = `Drawn in ${seconds} s.`;
  } catch (error) {
    status.textContent = error instanceof Interrupted ? 'Cancelled.' : textOf(error);
  } finally {
    drawing = undefined;
    busy(false);
  }
}

function busy(is: boolean): void {
  drawButton.disabled = is;
  cancelButton.disabled = !is;
}

function show(done: number, total: number): void {
  progress.max = Math.max(total, 1);
  progress.value = done;
}

/** Pixel by pixel, so that the saved picture has the computed pixels. */
function paint(
  { grid: { data, width, height }, channels, count: images }: Drawn,
  settings: DrawOptions,
) {
  picture.width = width;
  picture.height = height;
  const context = picture.getContext('2d', { colorSpace: 'srgb' })!;
  const rgba = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++)
      rgba.data[4 * i + c] = data[channels * i + (channels === 3 ? c : 0)]!;
    rgba.data[4 * i + 3] = 255;
  }
  context.putImageData(rgba, 0, 0);
  const what = settings.class === undefined ? '' : ` of ${String(settings.class)}`;
  picture.setAttribute('aria-label', `${images} images${what}, seed ${settings.seed}`);
  picture.dataset.name = `images-seed-${settings.seed}.png`;
  saveButton.disabled = false;
}

function save(): void {
  picture.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = picture.dataset.name ?? 'images.png';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

cancelButton.addEventListener('click', () => drawing?.abort());
saveButton.addEventListener('click', save);
void start();
