/**
 * Limits of Linux's control groups, which containers, systemd units and batch systems use. A group is a
 * folder with a file per limit; the limits of its ancestors apply too. Version 1 has a tree per kind of limit,
 * version 2 a single one, and a machine may have both.
 */
import { posix } from 'node:path';
import { readText } from './read-text.js';

/** Bytes of memory that the process's groups allow, without swap; null if unlimited. */
export function cgroupMemory(root = '/'): number | null {
  const one = (folder: string) => readText(root, folder, 'memory.limit_in_bytes');
  const two = (folder: string) => readText(root, folder, 'memory.max');
  const limits = [
    ...groups(root, 'memory').map((folder) => toNumber(one(folder))),
    ...groups(root, null).map((folder) => toNumber(two(folder))),
  ];
  return least(limits.filter((limit) => limit < UNLIMITED));
}

/** Processor time that the process's groups allow, possibly fractional (1.5 processors); null without a quota. */
export function cgroupProcessors(root = '/'): number | null {
  const one = (folder: string) =>
    share(readText(root, folder, 'cpu.cfs_quota_us'), readText(root, folder, 'cpu.cfs_period_us'));
  const two = (folder: string) => share(...(readText(root, folder, 'cpu.max') ?? '').split(' '));
  return least([...groups(root, 'cpu').map(one), ...groups(root, null).map(two)]);
}

/** Version 1's value for "no limit" is the largest multiple of a page. */
const UNLIMITED = 2 ** 62;

const toNumber = (text: string | undefined): number =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;

function share(quota?: string, period?: string): number {
  const parts = toNumber(quota) / toNumber(period);
  return parts > 0 ? parts : Number.NaN;
}

function least(values: readonly number[]): number | null {
  const limits = values.filter((value) => Number.isFinite(value));
  return limits.length > 0 ? Math.min(...limits) : null;
}

/** The process's group and its ancestors, as folders; `controller` is for version 1, null means version 2. */
function groups(root: string, controller: string | null): string[] {
  const path = groupPath(root, controller);
  const mount = path === undefined ? undefined : findMount(root, controller);
  if (path === undefined || mount === undefined) return [];
  const folders: string[] = [];
  for (let at = inMount(path, mount.root); ; at = posix.dirname(at)) {
    folders.push(posix.join(mount.point, at));
    if (at === '/') return folders;
  }
}

/** The process's path in the tree. A line of /proc/self/cgroup: `4:cpu,cpuacct:/a/b`, for version 2 `0::/a/b`. */
function groupPath(root: string, controller: string | null): string | undefined {
  for (const line of lines(readText(root, '/proc/self/cgroup'))) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    if (controller === null ? names === '' : names.split(',').includes(controller)) return path;
  }
  return undefined;
}

interface Mount {
  /** The mounted group. */
  readonly root: string;
  readonly point: string;
}

/** A line of mountinfo: `36 35 0:31 ROOT POINT options [optional …] - type source super-options`. */
function findMount(root: string, controller: string | null): Mount | undefined {
  for (const line of lines(readText(root, '/proc/self/mountinfo'))) {
    const [front = '', back = ''] = line.split(' - ');
    const [, , , from, point] = front.split(' ').map(unescaped);
    const [type, , options = ''] = back.split(' ');
    const right =
      controller === null
        ? type === 'cgroup2'
        : type === 'cgroup' && options.split(',').includes(controller);
    if (right && from !== undefined && point !== undefined) return { root: from, point };
  }
  return undefined;
}

/** A group's path below the mount. In a container that sees only its own part of the tree, the path may be outside. */
function inMount(path: string, mounted: string): string {
  if (mounted === '/') return path.startsWith('/..') ? '/' : posix.normalize(path);
  return path.startsWith(`${mounted}/`) ? posix.normalize(path.slice(mounted.length)) : '/';
}

/** Spaces in paths are written `\040`. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );

const lines = (text: string | undefined): string[] => (text ?? '').split('\n');
