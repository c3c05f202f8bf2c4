/** A process of busy.ts: computes without pause until its input ends. */
import { setImmediate } from 'node:timers/promises';
import { version } from '../version.js';

/** Milliseconds between checks of the input. */
const STRETCH = 20;

let ended = false;
process.stdin.on('end', () => (ended = true)).resume();
process.stdout.write(`${JSON.stringify({ version })}\n`);
let sum = 0;
while (!ended) {
  const until = performance.now() + STRETCH;
  while (performance.now() < until) for (let i = 0; i < 10_000; i++) sum = Math.sqrt(sum + i);
  await setImmediate();
}
