/** Exports a model as a website: a page that draws its images in the visitor's browser. */
import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Guide } from '../config/guide.js';
import type { OpenModel } from '../config/open-model.js';
import { parseSite, siteClasses } from '../config/site.js';
import { RunError } from '../errors.js';
import { writeFileAtomically } from '../io/atomic.js';
import { inHalves, writeSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import { json, requireNew, wholeFolder } from './whole-folder.js';

export const PRECISIONS = ['f16', 'f32'] as const;

/** The model and the destination. */
export interface WebOptions
  extends Pick<OpenModel, 'weights' | 'model' | 'diffusion' | 'sampling' | 'run'> {
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
}

/** The build output of `web/` and `src/browser/`. */
const PAGE = fileURLToPath(new URL('../../web/', import.meta.url));

const WEIGHTS = 'weights.safetensors';
const GUIDE = 'guide.safetensors';

/** Headers that make a page cross-origin isolated, so that it may share memory among workers. */
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * Writes the folder atomically.
 * @throws UsageError for an existing folder; RunError for a full disk
 */
export async function exportWeb(options: WebOptions): Promise<WebSizes> {
  const { out, guide } = options;
  await requireNew(out);
  // Read like browsers do, so that what they would refuse is refused here.
  const site = parseSite('model.json', JSON.parse(JSON.stringify(describe(options))));
  let sizes: WebSizes | undefined;
  await wholeFolder(out, async (folder) => {
    await copyPage(folder);
    await writeFileAtomically(join(folder, 'model.json'), json(site));
    for (const [name, text] of Object.entries(HOSTS))
      await writeFileAtomically(join(folder, name), text);
    const page = await bytesIn(folder);
    await writeWeights(options.weights, join(folder, WEIGHTS), options);
    if (guide) await writeWeights(guide.weights, join(folder, GUIDE), options);
    sizes = { page, weights: (await bytesIn(folder)) - page };
  });
  return sizes!;
}

/** The description for browsers: nothing about the location of the run or its data. */
function describe({ model, run, diffusion, sampling, guide }: WebOptions) {
  const { clamp, ...rest } = sampling;
  return {
    version: 1,
    ...{ model, diffusion },
    sampling: { ...rest, ...(typeof clamp === 'number' && { clamp }) },
    classes: siteClasses({ model, run }),
    weights: WEIGHTS,
    guide: guide && { model: guide.model, weights: GUIDE, guidance: guide.guidance },
  };
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

async function writeWeights(
  from: string,
  to: string,
  { precision }: Pick<WebOptions, 'precision'>,
): Promise<void> {
  const state = await readWeights(from);
  await writeSafetensors(to, precision === 'f16' ? inHalves(state) : state);
}

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
