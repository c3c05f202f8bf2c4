/** The benchmark plot, as SVG: a group of bars per piece of work. */
import { element, picture, pixel, scaleFromZero, words } from '../io/svg.js';
import { significant } from '../units.js';
import { byWork, pathName, type Result, workName } from './result.js';

/** Pixels of the longest bar, a row, a group's title, the labels left of the bars, the figures right of them, and the margin. */
const [WIDTH, ROW, TITLE, LABELS, FIGURES, PADDING] = [460, 22, 34, 330, 110, 14];

/** Between two groups. */
const GAP = 14;

const [OURS, OTHERS] = ['#1f6fb4', '#b9b9b9'];

/** Each group has its own scale, from 0. */
export function barPicture(results: readonly Result[]): string {
  let top = PADDING;
  const groups = byWork(results).flatMap((rows) => {
    const group = groupOf(rows, top + TITLE);
    top += TITLE + rows.length * ROW + GAP;
    return group;
  });
  const body = { 'font-size': 11, fill: '#222' };
  return picture(
    PADDING + LABELS + WIDTH + FIGURES,
    top,
    'Milliseconds an image; less is better',
    element('g', body, ...groups),
  );
}

function groupOf(rows: readonly Result[], top: number): string[] {
  const x = PADDING + LABELS;
  const values = rows.map((row) => row.msPerImage);
  const scale = scaleFromZero({ values, range: [0, WIDTH], count: 10, nice: true });
  const title = { 'font-weight': 'bold', 'font-size': 13 };
  return [
    words(workName(rows[0]!), x, top - 8, title),
    ...rows.flatMap((row, i) => {
      const y = top + i * ROW;
      const length = scale.at(row.msPerImage);
      const bar = { x, y: y + 2, width: pixel(length), height: ROW - 4 };
      return [
        words(pathName(row), x - 6, y + 15, { 'text-anchor': 'end' }),
        element('rect', { ...bar, fill: /^haze\b/.test(row.by) ? OURS : OTHERS }),
        words(`${significant(row.msPerImage)} ms`, x + length + 5, y + 15),
      ];
    }),
  ];
}
