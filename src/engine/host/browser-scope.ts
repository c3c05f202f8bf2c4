/** The parts of a browser's global scope that Node lacks and that are used here. */
import { MAX_WORKERS } from '../control.js';

/** A Web Worker, from outside. */
export interface WebWorker {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  terminate(): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  /** The script could not be loaded, or threw. */
  onerror: ((event: { readonly message?: string }) => void) | null;
  /** A message could not be deserialised. */
  onmessageerror: (() => void) | null;
}

/** A Web Worker's own scope. */
interface WorkerScope {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  readonly crossOriginIsolated?: boolean;
  readonly MessageChannel: new () => {
    readonly port1: { onmessage: (() => void) | null; close(): void };
    readonly port2: { postMessage(message: unknown): void };
  };
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

export const scope = globalThis as unknown as WorkerScope;

/** Whether memory can be shared with other workers. */
export const canShare = (): boolean => scope.crossOriginIsolated === true;

/** Number of workers that can run at once. */
export const processors = (): number =>
  canShare() ? Math.min(scope.navigator?.hardwareConcurrency ?? 1, MAX_WORKERS) : 1;
