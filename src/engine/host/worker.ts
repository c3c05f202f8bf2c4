import { workerData } from 'node:worker_threads';
import { type Task, type Times, Walker, type WalkerData } from '../walker.js';

const walker = new Walker(workerData as WalkerData);

/** Runs a task on a thread of the pool. */
export default (task: Task): Times | null => walker.walk(task);
