/** Exports a model as a website: a page that draws its images in the visitor's browser. */
import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Guide } from '../config/guide.js';
import type { OpenModel } from '../config/open-model.js';
import { pictureShape } from '../config/picture-shape.js';
import { parseSite, type Site, siteClasses } from '../config/site.js';
import { HALF_USE } from '../device/device-autoencoder.js';
import { bytesOnEngine } from '../device/untimed-graph.js';
import { MAX_BYTES } from '../engine/host/host.js';
import { RunError, UsageError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import { readHalf } from '../io/autoencoder.js';
import { inHalves, writeSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import { buildDecoder } from '../network/autoencoder.js';
import type { StateDict } from '../network/state.js';
import { bytes } from '../units.js';
import { json, requireNew, wholeFolder } from './whole-folder.js';

export const PRECISIONS = ['f16', 'f32'] as const;

/** The model and the destination. */
export interface WebOptions
  extends Pick<OpenModel, 'weights' | 'model' | 'autoencoder' | 'diffusion' | 'sampling' | 'run'> {
  readonly guide: Guide | null;
  /** Precision of the weights in the file. */
  readonly precision: (typeof PRECISIONS)[number];
  /** The folder, which must not exist yet. */
  readonly out: string;
}

/** Bytes of the written files. */
export interface WebSizes {
  readonly page: number;
  readonly weights: number;
  /** Of the decoder of a model of latents: its part of the weights, and its memory in a browser with one worker. */
  readonly decoder: { readonly weights: number; readonly memory: number } | null;
}

/** The build output of `web/` and `src/browser/`. */
const PAGE = fileURLToPath(new URL('../../web/', import.meta.url));

const WEIGHTS = 'weights.safetensors';
const GUIDE = 'guide.safetensors';
const DECODER = 'decoder.safetensors';

/** Headers that make a page cross-origin isolated, so that it may share memory among workers. */
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * Writes the folder atomically.
 * @throws UsageError for an existing folder, and for what no browser could draw; RunError for a full disk
 */
export async function exportWeb(options: WebOptions): Promise<WebSizes> {
  const { out, guide, autoencoder, model, precision } = options;
  await requireNew(out);
  // Read like browsers do, so that what they would refuse is refused here.
  const site = parseSite('model.json', JSON.parse(JSON.stringify(describe(options))));
  const memory = decoderMemory(site);
  const write = (path: string, state: StateDict) =>
    writeSafetensors(path, precision === 'f16' ? inHalves(state) : state);
  let sizes: WebSizes | undefined;
  await wholeFolder(out, async (folder) => {
    await copyPage(folder);
    await writeFileAtomically(join(folder, 'model.json'), json(site));
    for (const [name, text] of Object.entries(HOSTS))
      await writeFileAtomically(join(folder, name), text);
    const page = await bytesIn(folder);
    await write(join(folder, WEIGHTS), await readWeights(options.weights));
    if (guide) await write(join(folder, GUIDE), await readWeights(guide.weights));
    const networks = (await bytesIn(folder)) - page;
    if (autoencoder) {
      const graph = buildDecoder(autoencoder.config, model.size);
      await write(join(folder, DECODER), await readHalf(autoencoder.weights, 'decoder', graph));
    }
    const weights = (await bytesIn(folder)) - page;
    sizes = {
      ...{ page, weights },
      decoder: memory === null ? null : { weights: weights - networks, memory },
    };
  });
  return sizes!;
}

/** The description for browsers: nothing about the location of the run or its data. */
function describe({ model, autoencoder, run, diffusion, sampling, guide }: WebOptions) {
  const { clamp, ...rest } = sampling;
  return {
    version: 1,
    ...{ model, diffusion },
    sampling: { ...rest, ...(typeof clamp === 'number' && { clamp }) },
    classes: siteClasses({ model, run }),
    weights: WEIGHTS,
    guide: guide && { model: guide.model, weights: GUIDE, guidance: guide.guidance },
    autoencoder: autoencoder && { config: autoencoder.config, weights: DECODER },
  };
}

/** Bytes of memory; null without a decoder. @throws UsageError for pictures that need more than a page can have */
function decoderMemory({ model, autoencoder }: Site): number | null {
  if (!autoencoder) return null;
  const { config } = autoencoder;
  const needed = bytesOnEngine(buildDecoder(config, model.size), HALF_USE, { threads: 1 });
  if (needed <= MAX_BYTES) return needed;
  const { size } = pictureShape(model, autoencoder);
  throw new UsageError(
    `export web: expected a decoder that takes ${bytes(MAX_BYTES)} of memory at most, got one that takes ${bytes(needed)} for pictures of ${size}x${size}`,
  );
}

async function copyPage(folder: string): Promise<void> {
  const names = await readdir(PAGE).catch((cause: unknown) => {
    throw new RunError(`${PAGE}: expected the page, got none; npm run build creates it`, { cause });
  });
  for (const name of names.filter((name) => name !== LIBRARY))
    await copyFile(join(PAGE, name), join(folder, name));
}

/** The library for programs: the page has it in its own script. */
const LIBRARY = 'browser.js';

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const headers = Object.entries(HEADERS);

/** The headers in the formats of hosts, by file. Other hosts use the page's service worker. */
const HOSTS = {
  // Netlify, Cloudflare Pages.
  _headers: ['/*', ...headers.map(([key, value]) => `  ${key}: ${value}`), ''].join('\n'),
  'vercel.json': json({
    headers: [{ source: '/(.*)', headers: headers.map(([key, value]) => ({ key, value })) }],
  }),
  // Apache.
  '.htaccess': [
    'AddType application/wasm .wasm',
    '<IfModule mod_headers.c>',
    ...headers.map(([key, value]) => `  Header set ${key} "${value}"`),
    '</IfModule>',
    '',
  ].join('\n'),
} as const;
