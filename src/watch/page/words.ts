/** Numbers and states in words. */
import type { RunMessage } from '../messages.js';

/** This many significant digits, without an exponent if possible. */
export const short = (value: number | null | undefined, digits = 4): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const rounded = Number(value.toPrecision(digits));
  const plain = rounded === 0 || (Math.abs(rounded) >= 1e-6 && Math.abs(rounded) < 1e15);
  return plain
    ? rounded.toLocaleString('en', { maximumSignificantDigits: digits })
    : String(rounded);
};

export const whole = (value: number): string => value.toLocaleString('en');

/** Characters of a name that stands among other text. */
const LONGEST_NAME = 28;

/** Long names of runs often differ in their ends alone. */
export function shortened(name: string): string {
  const characters = [...name];
  if (characters.length <= LONGEST_NAME) return name;
  const half = (LONGEST_NAME - 1) / 2;
  const [begin, end] = [characters.slice(0, Math.ceil(half)), characters.slice(-Math.floor(half))];
  return `${begin.join('')}…${end.join('')}`;
}

/** Marks that turn text around, and could make a name look like another. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

/** A name as it is shown: such marks are written out. */
export const plain = (name: string): string =>
  name.replaceAll(TURNING, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);

/** A name within a sentence: one that is written from right to left leaves the order of the rest as it is. */
export const isolated = (name: string): string => `\u2068${plain(name)}\u2069`;

/** `2 h 5 min`, `3 min`, `12 s`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

/** The state of a run in words. */
export function stateText({ state, read, idle, remarks }: RunMessage): string {
  switch (state) {
    case 'waiting':
      return 'no step yet';
    case 'reading':
      return `reading its log, ${Math.floor(100 * read)} %`;
    case 'training':
      return 'training';
    case 'finished':
      return 'finished';
    case 'stopped':
      return `stopped: ${remarks.at(-1)?.text.split('\n')[0] ?? ''}`;
    case 'quiet':
      return `no step for ${duration(idle ?? 0)}: it was stopped, draws samples or waits for workers`;
    case 'gone':
      return 'its files are gone; the page shows what was read before';
    default:
      return state satisfies never;
  }
}
