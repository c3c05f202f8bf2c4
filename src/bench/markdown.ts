/** A report as Markdown: the tables of docs/BENCHMARKS.md, from one run. */
import type { ModelConfig } from '../config/config.js';
import type { LayerTime } from '../engine/network/layer-times.js';
import { layerCosts } from '../network/cost.js';
import { buildNetwork } from '../network/network.js';
import { plural, significant } from '../units.js';
import { type Cells, kindCells, layerCells } from './layer-cells.js';
import type { Limits } from './limit-shares.js';
import { type MeasuredModel, MODELS, PASSES } from './models.js';
import { noise, primary, type Ratio, ratios } from './ratios.js';
import {
  byWork,
  type LayerReport,
  type Missing,
  overIdle,
  pathName,
  type Report,
  type Result,
  workName,
} from './result.js';

/** Sections: machine and versions, a table for each piece of work, ratios, layers, what was not measured. */
export function toMarkdown(report: Report): string {
  const { layers, results, missing } = report;
  return [
    section('Machine and versions', factTable(report)),
    ...byWork(results).map((rows) => section(workName(rows[0]!), resultTable(rows, results))),
    section('Time relative to Haze', ratioTable(report)),
    ...layers.flatMap((report) =>
      (['forward', 'train'] as const).map((pass) =>
        section(
          `Layers, ${pass}: ${layersName(report)}`,
          `${kindTable(report, report[pass])}\n${layerTable(report, report[pass])}`,
        ),
      ),
    ),
    section('Not measured', missingList(missing)),
  ].join('\n');
}

const section = (title: string, body: string): string => `## ${title}\n\n${body}`;

/** All columns but the first `words` are numbers. */
function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  words = 1,
): string {
  const rule = head.map((_, i) => (i < words ? '---' : '---:'));
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

export function factTable({ machine, versions }: Pick<Report, 'machine' | 'versions'>): string {
  const { memoryBytes, ...others } = machine;
  const rows = [
    ...Object.entries(others),
    ['memory', `${(Number(memoryBytes) / 2 ** 30).toFixed(1)} GiB`],
    ...Object.entries(versions),
  ];
  return markdownTable(
    ['', ''],
    rows.map(([name, value]) => [String(name), String(value)]),
    2,
  );
}

/** The measured models: what they are, and what is measured with them. */
export function modelTable(): string {
  const passes = (name: string) =>
    (['forward', 'train'] as const).flatMap((what) => {
      const batches = PASSES.flatMap(([model, pass, batch]) =>
        model === name && pass === what ? [batch] : [],
      );
      return batches.length > 0 ? [`${what} in batches of ${batches.join(' and ')}`] : [];
    });
  return markdownTable(
    ['model', 'what it is', 'measured', 'images', 'parameters'],
    Object.values<MeasuredModel>(MODELS).map(({ name, about, model }) => [
      ...[`\`${name}\``, about, passes(name).join(', '), `${model.size}x${model.size}`],
      parameterCount(model).toLocaleString('en-US'),
    ]),
    3,
  );
}

const parameterCount = (model: ModelConfig): number =>
  layerCosts(buildNetwork(model)).reduce((sum, { parameters }) => sum + parameters, 0);

/** The rows of one piece of work. */
export function resultTable(rows: readonly Result[], all: readonly Result[] = rows): string {
  const first = primary(rows);
  const step = rows[0]?.msPerStep !== undefined;
  return markdownTable(
    [
      ...['path', ...(step ? ['ms a step'] : []), 'ms an image', 'images a second'],
      ...['noise', "time over Haze's"],
      ...(rows[0]?.beside === undefined ? [] : ['over idle']),
    ],
    rows.map((row) => [
      pathName(row),
      ...(step ? [significant(row.ms)] : []),
      significant(row.msPerImage),
      significant(row.imagesPerSecond),
      noiseOf(row),
      first ? (row.ms / first.ms).toFixed(2) : '',
      ...(row.beside === undefined ? [] : [overIdle(row, all)?.toFixed(2) ?? '']),
    ]),
  );
}

/** Several pieces of work side by side, a column for each, in milliseconds of the whole work. */
export function pivotTable(results: readonly Result[]): string {
  const works = byWork(results);
  const paths = [...new Set(results.map(pathName))];
  const cell = (path: string, rows: readonly Result[]) => {
    const row = rows.find((one) => pathName(one) === path);
    return row ? significant(row.ms) : '';
  };
  return markdownTable(
    ['ms', ...works.map((rows) => rows[0]!.what)],
    paths.map((path) => [path, ...works.map((rows) => cell(path, rows))]),
  );
}

const noiseOf = (row: Result): string => `±${(100 * noise(row)).toFixed(1)} %`;

/** @param wanted the rows to show, by default all */
export function ratioTable(
  report: Pick<Report, 'results'>,
  wanted: (ratio: Ratio) => boolean = () => true,
): string {
  return markdownTable(
    ['work', 'of', 'ratio of medians', 'worst round', 'best round'],
    ratios(report)
      .filter(wanted)
      .map((r) => [workName(r), r.over, r.ratio.toFixed(2), r.worst.toFixed(2), r.best.toFixed(2)]),
    2,
  );
}

/** What was measured layer by layer, as text. */
export function layersName({ model, batch, size, threads, build, wide }: LayerReport): string {
  const work = `${model}, batch ${batch}, ${size}x${size}`;
  return `${work}, ${plural(threads, 'thread')}, ${build}${wide ? ', wide' : ''}`;
}

/** Where a program's time goes, by kind. */
export const kindTable = (limits: Limits, layers: readonly LayerTime[]): string =>
  tableOf(kindCells(limits, layers));

/** Layers, or passes of layers, of a program that takes `total` milliseconds. */
export const layerTable = (limits: Limits, layers: readonly LayerTime[], total?: number): string =>
  tableOf(layerCells(limits, layers, total));

const tableOf = ({ head, rows, words }: Cells): string => markdownTable(head, rows, words);

export const missingList = (missing: readonly Missing[]): string =>
  missing.length === 0
    ? 'Everything requested was measured.\n'
    : missing.map((m) => `- ${workName(m)}: ${m.by}: ${m.why}\n`).join('');
