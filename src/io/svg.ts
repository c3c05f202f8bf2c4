/** SVG pictures as text: elements, and the linear scales that bars and curves stand on. d3-array chooses where ticks are. */
import { extent, nice, ticks } from 'd3-array';

/** Attributes of an element by their names in SVG. */
export type Attributes = Readonly<Record<string, string | number>>;

/** An element around others, which are markup already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const start = `<${name}${written.join('')}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`;
}

/** A line of text whose baseline begins, is centred or ends at (x, y). */
export function words(content: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x: pixel(x), y: pixel(y), ...attributes }, escaped(content));
}

/** The document: a picture on white. `title` says in words what it shows. */
export function picture(
  width: number,
  height: number,
  title: string,
  ...children: string[]
): string {
  const box = { width, height, viewBox: `0 0 ${width} ${height}` };
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', ...box, 'font-family': 'sans-serif', role: 'img' },
    element('title', {}, escaped(title)),
    element('rect', { width, height, fill: 'white' }),
    ...children,
  );
}

/** A hundredth of a pixel is more than anybody sees. */
export const pixel = (value: number): number => Math.round(100 * value) / 100;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const escaped = (value: string | number): string =>
  String(value).replaceAll(/[&<>"]/g, (character) => ENTITIES[character]!);

/** How values lie on an axis. */
export interface Scale {
  /** Where the axis is marked. */
  readonly ticks: readonly number[];
  /** The place of a value, in pixels. */
  at(value: number): number;
}

/** What an axis shows, and how. */
export interface Axis {
  /** Finite numbers. */
  readonly values: Iterable<number>;
  /** Pixels of its first and its last value. */
  readonly range: readonly [from: number, to: number];
  /** About how many ticks. */
  readonly count: number;
  /** Whether it goes on to the next tick. */
  readonly nice?: boolean;
}

/** An axis that has zero on it, so that lengths compare. */
export function scaleFromZero({ values, range: [from, to], count, nice: wide }: Axis): Scale {
  const [low, high] = extent([0, ...values]) as [number, number];
  // Where all values are zero there is no length to show, and any will do.
  const ends: [number, number] = [low, high > low ? high : low + 1];
  const [begin, end] = wide ? nice(...ends, count) : ends;
  return {
    ticks: ticks(begin, end, count),
    at: (value) => from + ((value - begin) / (end - begin)) * (to - from),
  };
}

/** A tick as people write it: 0.25, 12,000, 3e-7. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential();
  return value.toLocaleString('en-US', { maximumSignificantDigits: 12 });
}
