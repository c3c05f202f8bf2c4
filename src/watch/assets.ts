/** The page's own files, as a table: no name in a request becomes a path. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const SCRIPTS = [
  'main',
  'api',
  'chart',
  'chart-lines',
  'charts',
  'choice',
  'dom',
  'facts',
  'merged',
  'plot',
  'samples',
  'settings-table',
  'smooth',
  'words',
];

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

const own = (name: string): string => fileURLToPath(new URL(`page/${name}`, import.meta.url));

/** uPlot's package exports its entry for Node; the file for browsers is beside it. */
const uplot = (name: string): string =>
  join(dirname(createRequire(import.meta.url).resolve('uplot')), name);

/** The file for each address of the page. */
const FILES: ReadonlyMap<string, readonly [type: string, path: () => string]> = new Map([
  ['/', ['text/html; charset=utf-8', () => own('index.html')]],
  ['/assets/page.css', [CSS, () => own('page.css')]],
  ['/assets/icon.svg', ['image/svg+xml', () => own('icon.svg')]],
  ['/assets/uplot.css', [CSS, () => uplot('uPlot.min.css')]],
  ['/assets/uplot.js', [JAVASCRIPT, () => uplot('uPlot.iife.min.js')]],
  ...SCRIPTS.map((name): [string, [string, () => string]] => [
    `/assets/${name}.js`,
    [JAVASCRIPT, () => own(`${name}.js`)],
  ]),
]);

const loaded = new Map<string, Promise<Asset>>();

/** The file at an address of the page; undefined if there is none. */
export function asset(path: string): Promise<Asset> | undefined {
  const found = FILES.get(path);
  if (!found) return undefined;
  const [type, file] = found;
  const known = loaded.get(path) ?? readFile(file()).then((body) => ({ type, body }));
  loaded.set(path, known);
  return known;
}

/** Addresses of all files that the page loads, for the check of their size. */
export const ASSET_PATHS: readonly string[] = [...FILES.keys()];
