import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../io/atomic.js';

/** The first of runs/1, runs/2, … that no entry's number reaches: for a run whose folder nobody named. */
export async function nextRunFolder(root = 'runs'): Promise<string> {
  const numbers = (await names(root)).filter((name) => /^\d{1,15}$/.test(name)).map(Number);
  return join(root, String(Math.max(0, ...numbers) + 1));
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
