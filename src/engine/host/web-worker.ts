/** The script of a Web Worker that walks programs: its first message has its start data, and is answered; all others are tasks. */
import { type Task, Walker, type WalkerData } from '../walker.js';
import { scope } from './browser-scope.js';
import type { Answer } from './browser-workers.js';

let walker: Walker | undefined;

scope.onmessage = ({ data }) => {
  if (walker) {
    scope.postMessage(answer(walker, data as Task));
    return;
  }
  walker = new Walker(data as WalkerData);
  scope.postMessage({ started: true } satisfies Answer);
};

function answer(own: Walker, task: Task): Answer {
  try {
    return { times: own.walk(task) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
