/**
 * The measured parts of docs/BENCHMARKS.md. They are between markers, and are replaced:
 *
 *     <!-- bench: unet -->
 *     <!-- end -->
 *
 * `<!-- bench wide: unet -->` is filled from a report with rows of wide vectors, `<!-- bench 256: unet -->` from one in which PyTorch was
 * limited to 256 bits, `<!-- bench wide 256: unet -->` from one with both, and those without a word from one with neither: the
 * document shows two Nodes, and two kinds of processors.
 */
import { limitsText, totalOf } from '../src/bench/layer-cells.js';
import {
  factTable,
  kindTable,
  layersName,
  layerTable,
  missingList,
  modelTable,
  pivotTable,
  ratioTable,
  resultTable,
} from '../src/bench/markdown.js';
import {
  byWork,
  type LayerReport,
  type Report,
  type Result,
  type Subject,
  workName,
} from '../src/bench/result.js';
import { UsageError } from '../src/errors.js';

const MARKED = /<!-- bench((?: wide)?(?: 256)?): ([\w-]+) -->\n[\s\S]*?<!-- end -->/g;

/** Layers to show, of a forward pass and of a training step: the slowest. The JSON has all. */
const SLOWEST = 16;

/** The suffixes of reports' files. */
export const EDITIONS = ['', '-wide', '-256', '-wide-256'] as const;

export type Edition = (typeof EDITIONS)[number];

/** As bench/peers/peer.py says it of PyTorch's vectors. */
const LIMITED = /\blimited\b/;

/** Whether Haze's vectors were wide, and whether PyTorch's were limited to 256 bits. */
export function editionOf({ results, versions }: Report): Edition {
  const wide = results.some((row) => row.wide) ? '-wide' : '';
  return `${wide}${LIMITED.test(versions.PyTorch ?? '') ? '-256' : ''}`;
}

/**
 * The document with the report's figures in its places.
 * @throws UsageError for a marker without an end or with an unknown name
 */
export function fill(document: string, report: Report): string {
  const parts = sections(report);
  const edition = editionOf(report);
  let found = 0;
  const filled = document.replace(MARKED, (block, words: string, name: string) => {
    found++;
    const body = parts[name];
    if (body === undefined)
      throw new UsageError(`expected one of ${Object.keys(parts).join(', ')}, got bench: ${name}`);
    if (words.replaceAll(' ', '-') !== edition) return block;
    return `<!-- bench${words}: ${name} -->\n\n${body}\n<!-- end -->`;
  });
  const begun = document.match(/<!-- bench[ \w]*: /g)?.length ?? 0;
  if (begun !== found) throw new UsageError(`${begun} markers begin and ${found} end`);
  return filled;
}

function sections(report: Report): Readonly<Record<string, string>> {
  const { results } = report;
  const kernels = results.filter(({ subject }) => subject === 'arithmetic');
  return {
    machine: factTable(report),
    ratios: ratioTable({ results: results.filter((row) => !kernels.includes(row)) }),
    'ratios-pytorch': overPyTorch(report),
    unet: tables(report, 'unet'),
    sample: tables(report, 'sample'),
    generate: tables(report, 'generate'),
    preprocess: tables(report, 'preprocess'),
    arithmetic: pivotTable(kernels),
    'ratios-arithmetic': ratioTable({ results: kernels }),
    models: modelTable(),
    'layers-forward': slowest(report, 'forward'),
    'layers-train': slowest(report, 'train'),
    missing: missingList(report.missing),
  };
}

/** The best of PyTorch's ways over Haze, for all work with networks. */
function overPyTorch({ results }: Report): string {
  const isTorch = ({ by }: Result) => by === 'haze' || by.startsWith('PyTorch');
  const one = results.filter((row) => row.model !== null && isTorch(row));
  return ratioTable({ results: one }, ({ over }) => over.startsWith('PyTorch'));
}

const tables = ({ results }: Report, subject: Subject): string =>
  byWork(results.filter((row) => row.subject === subject))
    .map((rows) => `**${workName(rows[0]!)}**\n\n${resultTable(rows)}`)
    .join('\n');

function slowest({ layers }: Report, pass: 'forward' | 'train'): string {
  if (layers.length === 0) return 'Not measured: --layers was not given.\n';
  return layers.map((report) => slowestOf(report, pass)).join('\n');
}

function slowestOf(report: LayerReport, pass: 'forward' | 'train'): string {
  const all = report[pass];
  const total = totalOf(all);
  const rows = [...all].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  const title =
    `**${layersName(report)}**: the slowest ${rows.length} of ${all.length} rows, which take ${total.toFixed(0)} ms in all; ` +
    limitsText(report);
  return `${title}\n\n${kindTable(report, all)}\n${layerTable(report, rows, total)}`;
}
