import { workerData } from 'node:worker_threads';
import { type Task, type Times, Walker, type WalkerData } from '../walker.js';

const walker = new Walker(workerData as WalkerData);

/** What a thread of the pool does with a task. */
export default (task: Task): Times | null => walker.walk(task);
