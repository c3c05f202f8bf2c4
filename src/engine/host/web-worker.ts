/** The script of a Web Worker that walks programs: its first message has its start data, all others are tasks. */
import { type Task, Walker, type WalkerData } from '../walker.js';
import { scope } from './browser-scope.js';
import type { Answer } from './browser-workers.js';

let walker: Walker | undefined;

scope.onmessage = ({ data }) => {
  if (!walker) walker = new Walker(data as WalkerData);
  else scope.postMessage(answer(walker, data as Task));
};

function answer(own: Walker, task: Task): Answer {
  try {
    return { times: own.walk(task) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
