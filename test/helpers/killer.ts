import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { temporaryFolder } from './folder.js';

/**
 * The environment of a Node process whose first worker thread, which is one of the engine's, is ended `delay` milliseconds
 * after the file `trigger` (relative to its folder) is there.
 */
export const killingFirstWorker = (
  t: ExecutionContext,
  trigger: string,
  delay: number,
): Promise<Record<string, string>> =>
  preloading(t, trigger, `setTimeout(() => workers[0].terminate(), ${delay});`);

/**
 * The same, of a process that loses a worker over and over once the file is there: one that was idle is replaced, and
 * sooner or later one is lost that computes.
 */
export const killingWorkers = (
  t: ExecutionContext,
  trigger: string,
): Promise<Record<string, string>> =>
  // Node may abort when a worker is ended that has not started.
  preloading(t, trigger, 'setInterval(() => [...started].at(-1)?.terminate(), 97).unref();');

async function preloading(
  t: ExecutionContext,
  trigger: string,
  kill: string,
): Promise<Record<string, string>> {
  const preload = join(await temporaryFolder(t), 'kill.cjs');
  await writeFile(preload, script(trigger, kill));
  return { NODE_OPTIONS: `--require ${preload}` };
}

const script = (trigger: string, kill: string): string => `
const threads = require('node:worker_threads');
const fs = require('node:fs');
if (threads.isMainThread) {
  const workers = [];
  const started = new Set();
  threads.Worker = class extends threads.Worker {
    constructor(...args) {
      super(...args);
      workers.push(this);
      this.once('message', () => started.add(this));
      this.once('exit', () => started.delete(this));
    }
  };
  const timer = setInterval(() => {
    if (!fs.existsSync(${JSON.stringify(trigger)})) return;
    clearInterval(timer);
    ${kill}
  }, 2);
  timer.unref();
}
`;
