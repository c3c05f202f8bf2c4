/**
 * Haze in a browser, for programs: a model's images, drawn by Web Workers. The page's thread only waits.
 * @module haze/browser
 * @example
 * import { load } from 'haze/browser';
 * const model = await load('/model/');
 * const { pixels } = await model.draw({ count: 4, seed: 7 });
 */
import { Interrupted, RunError, UsageError } from '../errors.js';
import { Connection, type OnProgress } from './connection.js';
import type { About, Drawn, DrawSettings, ModelBytes } from './protocol.js';

export type { About, Drawn, DrawSettings, ModelBytes, OnProgress };
export { Interrupted, RunError, UsageError };

export interface LoadSettings {
  /** Called with the bytes of the weights that have arrived. Default none. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** Options of `draw`, besides its settings. */
export interface DrawOptions extends DrawSettings {
  /** Aborting it ends the drawing before its next step or decoded image, with `Interrupted`. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
  /** Called with the number of finished reverse steps and, of a model of latents, decoded images. Default none. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** An open model. Calls of `draw` run one after the other. */
export interface BrowserModel {
  /** The model's settings and classes. */
  readonly about: About;
  /** The images that `haze sample` draws with the same settings. @throws UsageError for invalid settings; Interrupted */
  draw(options?: DrawOptions): Promise<Drawn>;
  /** Ends calls in progress and frees memory and workers; safe to call twice. */
  dispose(): void;
}

/**
 * Opens a model that `haze export web` wrote.
 * @param from address of the folder with its `model.json`, or the contents of the folder
 * @throws UsageError if it is not a model; RunError if a file cannot be fetched, or the browser lacks a feature
 */
export async function load(
  from: string | URL | ModelBytes,
  { onProgress = () => {} }: LoadSettings = {},
): Promise<BrowserModel> {
  const connection = new Connection();
  try {
    const reply = await connection.ask(
      {
        kind: 'load',
        load: {
          kernels: {
            strict: new URL('./haze.strict.wasm', import.meta.url).href,
            relaxed: new URL('./haze.relaxed.wasm', import.meta.url).href,
          },
          from: typeof from === 'string' || from instanceof URL ? folder(from) : from,
        },
      },
      onProgress,
    );
    if (reply.kind !== 'loaded') throw new RunError(`expected a model, got ${reply.kind}`);
    return new Opened(connection, reply.about);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The absolute address of a folder, with the slash that addresses of files in it need. */
function folder(from: string | URL): string {
  const { document, location } = globalThis as {
    document?: { readonly baseURI: string };
    location?: { readonly href: string };
  };
  const url = new URL(from, document?.baseURI ?? location?.href);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

class Opened implements BrowserModel {
  readonly about: About;
  readonly #connection: Connection;

  constructor(connection: Connection, about: About) {
    this.#connection = connection;
    this.about = about;
  }

  async draw({ signal, onProgress = () => {}, ...settings }: DrawOptions = {}): Promise<Drawn> {
    const reply = await this.#connection.ask({ kind: 'draw', settings }, onProgress, signal);
    if (reply.kind !== 'drawn') throw new RunError(`expected images, got ${reply.kind}`);
    return reply.drawn;
  }

  dispose(): void {
    this.#connection.close();
  }
}
