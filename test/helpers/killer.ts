import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { temporaryFolder } from './folder.js';

/**
 * The environment of a Node process whose first worker thread, which is one of the engine's, is ended `delay` milliseconds
 * after the file `trigger` (relative to its folder) is there.
 */
export async function killingFirstWorker(
  t: ExecutionContext,
  trigger: string,
  delay: number,
): Promise<Record<string, string>> {
  const preload = join(await temporaryFolder(t), 'kill.cjs');
  await writeFile(preload, script(trigger, delay));
  return { NODE_OPTIONS: `--require ${preload}` };
}

const script = (trigger: string, delay: number): string => `
const threads = require('node:worker_threads');
const fs = require('node:fs');
if (threads.isMainThread) {
  let first;
  threads.Worker = class extends threads.Worker {
    constructor(...args) {
      super(...args);
      first ??= this;
    }
  };
  const timer = setInterval(() => {
    if (!fs.existsSync(${JSON.stringify(trigger)})) return;
    clearInterval(timer);
    setTimeout(() => first.terminate(), ${delay});
  }, 2);
  timer.unref();
}
`;
