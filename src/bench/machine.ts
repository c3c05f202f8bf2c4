/** The machine and the versions that a benchmark ran with; its numbers mean nothing without them. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { allowedMemory } from '../machine/memory.js';
import { processors } from '../machine/processors.js';
import type { Report } from './result.js';

export function machine(): Report['machine'] {
  return {
    processor: os.cpus()[0]?.model.trim() || 'unknown',
    cores: processors(),
    memoryBytes: allowedMemory(),
    system: `${os.platform()} ${os.release()} ${os.arch()}`,
  };
}

/** Versions of Haze, Node and the libraries involved. */
export async function versions(): Promise<Record<string, string>> {
  const { default: sharp } = await import('sharp');
  const url = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(url, 'utf8')) as { version: string };
  return {
    haze: version,
    node: process.versions.node,
    v8: process.versions.v8,
    sharp: `${sharp.versions.sharp} (libvips ${sharp.versions.vips})`,
  };
}
