import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { temporaryFolder } from './folder.js';

/**
 * The environment of a Node process whose first worker thread, which is one of the engine's, is ended `delay` milliseconds
 * after two of its workers have been given work of their own, such as a batch each.
 */
export const killingFirstWorker = (
  t: ExecutionContext,
  delay: number,
): Promise<Record<string, string>> =>
  preloading(
    t,
    `
  const { postMessage } = threads.MessagePort.prototype;
  let alone = 0;
  threads.MessagePort.prototype.postMessage = function (...args) {
    if (args[0]?.task?.size === 1 && ++alone === 2) setTimeout(() => workers[0].terminate(), ${delay});
    return postMessage.apply(this, args);
  };`,
  );

/**
 * The environment of a Node process that loses a worker over and over once the file `trigger` (relative to its folder) is there:
 * one that was idle is replaced, and sooner or later one is lost that computes.
 */
export const killingWorkers = (
  t: ExecutionContext,
  trigger: string,
): Promise<Record<string, string>> =>
  // Node may abort when a worker is ended that has not started.
  preloading(
    t,
    `
  const timer = setInterval(() => {
    if (!fs.existsSync(${JSON.stringify(trigger)})) return;
    clearInterval(timer);
    setInterval(() => [...started].at(-1)?.terminate(), 97).unref();
  }, 2);
  timer.unref();`,
  );

/** @param kill what the main thread does beside its work, with its `workers`, and those that have `started` */
async function preloading(t: ExecutionContext, kill: string): Promise<Record<string, string>> {
  const preload = join(await temporaryFolder(t), 'kill.cjs');
  await writeFile(preload, script(kill));
  return { NODE_OPTIONS: `--require ${preload}` };
}

const script = (kill: string): string => `
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
${kill}
}
`;
