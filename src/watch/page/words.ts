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
      return `no step for ${duration(idle ?? 0)}: it was stopped, or draws samples`;
    case 'gone':
      return 'its files are gone; the page shows what was read before';
    default:
      return state satisfies never;
  }
}
