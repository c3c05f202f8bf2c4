/** A report as Markdown: the tables of docs/BENCHMARKS.md, from one run. */
import { significant } from './figures.js';
import { noise, primary, ratios } from './ratios.js';
import {
  byWork,
  type LayerReport,
  type Missing,
  pathName,
  type Report,
  type Result,
  workName,
} from './result.js';

/** Sections: machine and versions, a table for each piece of work, ratios, layers, what was not measured. */
export function toMarkdown(report: Report): string {
  return [
    section('Machine and versions', facts(report)),
    ...byWork(report.results).map((rows) => section(workName(rows[0]!), resultTable(rows))),
    section("Others' time over Haze's", ratioTable(report)),
    ...(report.layers ? [layerSection(report.layers)] : []),
    section('Not measured', notMeasured(report.missing)),
  ].join('\n');
}

const section = (title: string, body: string): string => `## ${title}\n\n${body}`;

/** Columns but the first are numbers. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

function facts({ machine, versions }: Report): string {
  const rows = [...Object.entries(machine), ...Object.entries(versions)];
  return markdownTable(
    ['', ''],
    rows.map(([name, value]) => [name, String(value)]),
  );
}

function resultTable(rows: readonly Result[]): string {
  const first = primary(rows);
  return markdownTable(
    ['path', 'ms an image', 'images a second', 'noise', "over Haze's"],
    rows.map((row) => [
      pathName(row),
      significant(row.msPerImage),
      significant(row.imagesPerSecond),
      `±${(100 * noise(row)).toFixed(1)} %`,
      first ? (row.ms / first.ms).toFixed(2) : '',
    ]),
  );
}

function ratioTable(report: Report): string {
  return markdownTable(
    ['work', 'of', 'ratio of medians', 'worst round', 'best round'],
    ratios(report).map((r) => [
      workName(r),
      r.over,
      r.ratio.toFixed(2),
      r.worst.toFixed(2),
      r.best.toFixed(2),
    ]),
  );
}

function layerSection(layers: LayerReport): string {
  const { model, batch, threads, build, peak } = layers;
  const title = `Layers: ${model}, batch ${batch}, ${threads} threads, ${build}`;
  const head = ['layer', 'pass', 'algorithm', 'ms', 'GFLOP/s', 'of the peak'];
  const tables = (['forward', 'train'] as const).map((pass) => {
    const rows = layers[pass].map(({ layer, pass, algorithm, ms, gflops }) => [
      ...[layer, pass ?? '', algorithm ?? '', ms.toFixed(2)],
      ...(gflops === null
        ? ['', '']
        : [gflops.toFixed(0), `${((100 * gflops) / peak).toFixed(0)} %`]),
    ]);
    return `### ${pass}\n\n${markdownTable(head, rows)}`;
  });
  const note = `The micro-kernel reaches ${peak.toFixed(0)} GFLOP/s. A layer's GFLOP/s are those of the direct sum, so that Winograd's can be above it.\n`;
  return section(title, `${note}\n${tables.join('\n')}`);
}

const notMeasured = (missing: readonly Missing[]): string =>
  missing.length === 0
    ? 'Everything that was asked for was measured.\n'
    : missing.map((m) => `- ${workName(m)}: ${m.by}: ${m.why}\n`).join('');
