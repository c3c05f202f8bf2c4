import type { Change } from '../bench/compare.js';
import { type Cells, kindCells, layerCells, limitsText, totalOf } from '../bench/layer-cells.js';
import { layersName } from '../bench/markdown.js';
import { noise, primary, ratios } from '../bench/ratios.js';
import {
  byWork,
  type LayerReport,
  overIdle,
  pathName,
  type Report,
  type Result,
  workName,
} from '../bench/result.js';
import { percent, significant } from '../units.js';
import { table } from './text.js';

/** A report for the terminal. */
export function reportAsText(report: Report): string {
  const { machine, versions, results, missing, layers } = report;
  const head = `${machine.processor}, ${machine.cores} cores\n${Object.entries(versions)
    .map((pair) => pair.join(' '))
    .join(', ')}\n`;
  return [
    head,
    ...byWork(results).map((rows) => `${workName(rows[0]!)}\n${rowsAsText(rows, results)}`),
    ...layers.map(layersAsText),
    ...(results.length > 0 ? [ratiosAsText(report)] : []),
    ...(missing.length > 0
      ? [`not measured\n${table(missing.map((m) => [`  ${workName(m)}`, m.by, m.why]))}`]
      : []),
  ].join('\n');
}

function rowsAsText(rows: readonly Result[], all: readonly Result[]): string {
  const first = primary(rows);
  const ms = rows[0]!.msPerStep === undefined ? 'ms' : 'ms/step';
  const head = ['  path', ms, 'ms/image', 'images/s', 'noise', 'over haze'];
  if (rows[0]!.beside !== undefined) head.push('over idle');
  const lines = rows.map((row) => [
    `  ${pathName(row)}`,
    significant(row.ms, 4),
    significant(row.msPerImage),
    significant(row.imagesPerSecond),
    `±${percent(noise(row))}`,
    first ? (row.ms / first.ms).toFixed(2) : '',
    ...(row.beside === undefined ? [] : [overIdle(row, all)?.toFixed(2) ?? '']),
  ]);
  return table([head, ...lines], [1, 2, 3, 4, 5, 6]);
}

function ratiosAsText(report: Report): string {
  const head = ['  time relative to Haze', 'of', 'medians', 'worst round', 'best round'];
  const lines = ratios(report).map((r) => [
    `  ${workName(r)}`,
    r.over,
    r.ratio.toFixed(2),
    r.worst.toFixed(2),
    r.best.toFixed(2),
  ]);
  return `ratios\n${table([head, ...lines], [2, 3, 4])}`;
}

function layersAsText(report: LayerReport): string {
  const passes = (['forward', 'train'] as const).map((pass) => {
    const layers = report[pass];
    const { head, rows, words } = layerCells(report, layers);
    const sum = ['in all', '', '', totalOf(layers).toFixed(2), ...head.slice(4).map(() => '')];
    const each = { head, rows: [...rows, sum], words };
    return `${pass}\n${indented(each)}\n${indented(kindCells(report, layers))}`;
  });
  return [`layers, ${layersName(report)}; ${limitsText(report)}`, ...passes].join('\n');
}

function indented({ head, rows, words }: Cells): string {
  const lines = [head, ...rows].map(([first, ...others]) => [`  ${first}`, ...others]);
  const numbers = head.map((_, i) => i).filter((i) => i >= words);
  return table(lines, numbers);
}

/** Each row's change beside its noise; a change within the noise counts as none. */
export function changesAsText(changes: readonly Change[], old: string): string {
  const head = [`against ${old}`, '', 'was ms', 'is ms', 'change', 'noise', ''];
  const lines = changes.map(({ result, old, change, noise }) => [
    workName(result),
    pathName(result),
    old ? significant(old.ms, 4) : '',
    significant(result.ms, 4),
    old ? `${change < 0 ? '' : '+'}${percent(change)}` : 'new',
    `±${percent(noise)}`,
    !old || Math.abs(change) <= noise ? '' : change < 0 ? 'faster' : 'slower',
  ]);
  return table([head, ...lines], [2, 3, 4, 5]);
}
