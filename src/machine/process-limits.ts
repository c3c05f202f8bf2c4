/** Limits set by `ulimit`, as Linux reports them, and their current use. */
import { readText } from './read-text.js';

/** A limit by its name in /proc/self/limits, and the command that sets it. */
const LIMITS = {
  addressSpace: { row: 'Max address space', command: 'ulimit -v', used: 'VmSize' },
  data: { row: 'Max data size', command: 'ulimit -d', used: 'VmData' },
  files: { row: 'Max open files', command: 'ulimit -n', used: null },
} as const;

export interface ProcessLimit {
  /** Bytes, or a number of files. */
  readonly most: number;
  /** Current use; 0 if it is not counted. */
  readonly used: number;
  /** `ulimit -v`. */
  readonly command: string;
}

/** The soft limit; null if there is none, or the system does not report it. */
export function processLimit(kind: keyof typeof LIMITS, root = '/'): ProcessLimit | null {
  const { row, command, used } = LIMITS[kind];
  const text = readText(root, '/proc/self/limits') ?? '';
  const [, most] = new RegExp(`^${row} +(\\d+) `, 'm').exec(text) ?? [];
  if (most === undefined) return null;
  return { most: Number(most), used: used === null ? 0 : usage(used, root), command };
}

/** A row of /proc/self/status, in KiB. */
function usage(row: string, root: string): number {
  const text = readText(root, '/proc/self/status') ?? '';
  const [, kibibytes] = new RegExp(`^${row}:\\s+(\\d+) kB$`, 'm').exec(text) ?? [];
  return Number(kibibytes ?? 0) * 1024;
}
