/**
 * One set-up at a time. The lock is an abstract Unix socket: the kernel frees it when its holder ends,
 * however it ends, so a lock is never left behind.
 */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `body` while holding the lock named after `folder`; `onWait` is called once if another process has it. */
export async function withLock<T>(
  folder: string,
  onWait: () => void,
  body: () => Promise<T>,
): Promise<T> {
  const name = `\0haze-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`;
  let server = await listen(name);
  if (!server) onWait();
  while (!server) {
    await sleep(300);
    server = await listen(name);
  }
  try {
    return await body();
  } finally {
    server.close();
  }
}

/** The listening server, or undefined when another process listens there. */
function listen(name: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(name, () => resolve(server));
  });
}
