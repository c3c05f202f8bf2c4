/** The results as bars, a group for each piece of work: milliseconds per image, less is better. */
import type { Mark, Spec } from 'vega';
import { writeFileAtomically } from '../io/atomic.js';
import { toSvg } from '../io/svg.js';
import { significant } from '../units.js';
import { byWork, pathName, type Result, workName } from './result.js';

export const PLOT_EXTENSIONS = ['.svg'] as const;

/** Pixels. */
const [WIDTH, BAR, TITLE, LABELS] = [460, 22, 34, 330];

/** Writes the SVG. Each group has its own scale, which starts at 0. */
export async function writePlot(path: string, results: readonly Result[]): Promise<void> {
  await writeFileAtomically(path, await toSvg(plotSpec(results)));
}

function plotSpec(results: readonly Result[]): Spec {
  const groups = byWork(results);
  let top = 0;
  const marks = groups.map((rows): Mark => {
    const group = groupOf(rows, top);
    top += TITLE + rows.length * BAR + 14;
    return group;
  });
  return { width: LABELS + WIDTH + 110, height: top, padding: 14, background: 'white', marks };
}

function groupOf(rows: readonly Result[], top: number): Mark {
  const values = rows.map((row) => ({
    path: pathName(row),
    ms: row.msPerImage,
    ours: /^haze\b/.test(row.by),
    text: `${significant(row.msPerImage)} ms`,
  }));
  const height = rows.length * BAR;
  return {
    type: 'group',
    encode: {
      enter: {
        x: { value: LABELS },
        y: { value: top + TITLE },
        width: { value: WIDTH },
        height: { value: height },
      },
    },
    title: { text: workName(rows[0]!), anchor: 'start', offset: 6, fontSize: 13 },
    data: [{ name: 'rows', values }],
    scales: [
      {
        ...{ name: 'x', type: 'linear', zero: true, nice: true, range: [0, WIDTH] },
        domain: { data: 'rows', field: 'ms' },
      },
      {
        ...{ name: 'y', type: 'band', padding: 0.2, range: [0, height] },
        domain: { data: 'rows', field: 'path' },
      },
    ],
    axes: [{ orient: 'left', scale: 'y', ticks: false, domain: false, labelLimit: 0 }],
    marks: [
      {
        type: 'rect',
        from: { data: 'rows' },
        encode: {
          enter: {
            x: { scale: 'x', value: 0 },
            x2: { scale: 'x', field: 'ms' },
            y: { scale: 'y', field: 'path' },
            height: { scale: 'y', band: 1 },
            fill: [{ test: 'datum.ours', value: '#1f6fb4' }, { value: '#b9b9b9' }],
          },
        },
      },
      {
        type: 'text',
        from: { data: 'rows' },
        encode: {
          enter: {
            x: { scale: 'x', field: 'ms', offset: 5 },
            y: { scale: 'y', field: 'path', band: 0.5 },
            baseline: { value: 'middle' },
            text: { field: 'text' },
          },
        },
      },
    ],
  };
}
