import type { Change } from '../bench/compare.js';
import { byKind } from '../bench/kinds.js';
import { peakShare } from '../bench/peak-share.js';
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
import type { LayerTime } from '../engine/network/layer-times.js';
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
  const { model, batch, size, threads, build, peak } = report;
  const head = `layers, ${model}, batch ${batch}, ${size}x${size}, ${build}, ${threads} threads; micro-kernel ${peak.toFixed(1)} GFLOP/s`;
  return [
    head,
    `forward\n${layerTable(report.forward, peak)}\n${kindTable(report.forward, peak)}`,
    `train\n${layerTable(report.train, peak)}\n${kindTable(report.train, peak)}`,
  ].join('\n');
}

function layerTable(layers: readonly LayerTime[], peak: number): string {
  const total = layers.reduce((sum, { ms }) => sum + ms, 0);
  const head = ['  layer', 'pass', 'algorithm', 'ms', 'of all', 'GFLOP/s', 'of peak'];
  const lines = layers.map((time) => {
    const { layer, pass, algorithm, ms, gflops } = time;
    const ofPeak = peakShare(time, peak);
    return [
      ...[`  ${layer}`, pass ?? '', algorithm ?? '', ms.toFixed(2), percent(ms / total)],
      ...[gflops?.toFixed(1) ?? '', ofPeak === null ? '' : percent(ofPeak)],
    ];
  });
  const sum = ['  in all', '', '', total.toFixed(2), '', '', ''];
  return table([head, ...lines, sum], [3, 4, 5, 6]);
}

function kindTable(layers: readonly LayerTime[], peak: number): string {
  const total = layers.reduce((sum, { ms }) => sum + ms, 0);
  const lines = byKind(layers, peak).map(({ kind, ms, ofPeak }) => [
    ...[`  ${kind}`, ms.toFixed(2), percent(ms / total)],
    ofPeak === null ? '' : percent(ofPeak),
  ]);
  return table([['  kind', 'ms', 'of all', 'of peak'], ...lines], [1, 2, 3]);
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
