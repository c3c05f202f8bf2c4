/** SVG pictures as text: elements, and linear scales for bars and curves. d3-array chooses the ticks. */
import { extent, nice, ticks } from 'd3-array';

/** Attributes of an element by their names in SVG. */
export type Attributes = Readonly<Record<string, string | number>>;

/** An element with children, which are already markup. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const start = `<${name}${written.join('')}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`;
}

/** A line of text whose baseline begins, is centred or ends at (x, y). */
export function words(content: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x: pixel(x), y: pixel(y), ...attributes }, escaped(content));
}

/** The document: a picture on white. `title` describes it in words. */
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

/** Rounds to a hundredth of a pixel, which is finer than anyone can see. */
export const pixel = (value: number): number => Math.round(100 * value) / 100;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const escaped = (value: string | number): string =>
  String(value).replaceAll(/[&<>"]/g, (character) => ENTITIES[character]!);

/** Maps values to an axis. */
export interface Scale {
  /** Values of the ticks. */
  readonly ticks: readonly number[];
  /** Position of a value, in pixels. */
  at(value: number): number;
}

/** The values and the layout of an axis. */
export interface Axis {
  /** Finite numbers. */
  readonly values: Iterable<number>;
  /** Pixels of its first and last value. */
  readonly range: readonly [from: number, to: number];
  /** About how many ticks. */
  readonly count: number;
  /** Whether it extends to the next tick. */
  readonly nice?: boolean;
}

/** An axis that includes zero, so that lengths are comparable. */
export function scaleFromZero({ values, range: [from, to], count, nice: wide }: Axis): Scale {
  const [low, high] = extent([0, ...values]) as [number, number];
  // If all values are zero, any length will do.
  const ends: [number, number] = [low, high > low ? high : low + 1];
  const [begin, end] = wide ? nice(...ends, count) : ends;
  return {
    ticks: ticks(begin, end, count),
    at: (value) => from + ((value - begin) / (end - begin)) * (to - from),
  };
}

/** A tick's label: 0.25, 12,000, 3e-7. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential();
  return value.toLocaleString('en-US', { maximumSignificantDigits: 12 });
}
