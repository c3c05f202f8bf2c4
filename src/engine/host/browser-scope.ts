/** What a browser's global scope has that Node's has not, as far as it is used here. */
import { MAX_WORKERS } from '../control.js';

/** A Web Worker, as who started it sees it. */
export interface WebWorker {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  terminate(): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  /** The script could not be loaded, or threw. */
  onerror: ((event: { readonly message?: string }) => void) | null;
  /** A message came that could not be read. */
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

/** Whether memory may be handed to other workers. */
export const canShare = (): boolean => scope.crossOriginIsolated === true;

/** Workers that may compute at one time. */
export const processors = (): number =>
  canShare() ? Math.min(scope.navigator?.hardwareConcurrency ?? 1, MAX_WORKERS) : 1;
