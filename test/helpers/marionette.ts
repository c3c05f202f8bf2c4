import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * The protocol by which Firefox is driven, Marionette (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html):
 * `length:JSON` over TCP. `[0, id, command, parameters]` is answered by `[1, id, error, result]`. Firefox says hello with an object.
 */

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Answer = readonly [
  kind: 1,
  id: number,
  error: { readonly error: string; readonly message: string } | null,
  result: unknown,
];

/** The browser is there no more, or listens no more. */
export class Lost extends Error {}

export class Marionette {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #bytes: Buffer = Buffer.alloc(0);
  #asked = 0;
  #isLost = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.#lose());
  }

  static async connect(port: number): Promise<Marionette> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Marionette(socket);
  }

  /** @throws Error with what the browser says against it; Lost */
  async ask(command: string, parameters: object): Promise<unknown> {
    if (this.#isLost) throw new Lost('Firefox is gone');
    const id = this.#asked++;
    const text = JSON.stringify([0, id, command, parameters]);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const colon = this.#bytes.indexOf(':');
      const end = colon + 1 + Number(this.#bytes.toString('latin1', 0, Math.max(0, colon)));
      if (colon < 0 || this.#bytes.length < end) return;
      const message: unknown = JSON.parse(this.#bytes.toString('utf8', colon + 1, end));
      this.#bytes = this.#bytes.subarray(end);
      if (Array.isArray(message)) this.#hear(message as unknown as Answer);
    }
  }

  #hear([, id, error, result]: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(`${error.error}: ${error.message}`));
    else waiting?.resolve(result);
  }

  #lose(): void {
    this.#isLost = true;
    for (const { reject } of this.#waiting.values()) reject(new Lost('Firefox is gone'));
    this.#waiting.clear();
  }
}
