import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** What befalls the operation: the process is gone from then on, or the disk refuses this one. */
export type Fault = 'crash' | 'ENOSPC';

/**
 * Runs `body` with the file system failing at the `at`-th changing operation (counted from 0; a failing
 * write writes half). Resolves to whether there were so many, and what `body` threw.
 */
export async function withFault(
  fault: Fault,
  at: number,
  body: () => Promise<unknown>,
): Promise<{ struck: boolean; error: unknown }> {
  let count = 0;
  const strikes = () => (fault === 'crash' ? count++ >= at : count++ === at);
  const restore = [await patchWrite(fault, strikes), ...patchFolderOperations(fault, strikes)];
  syncBuiltinESMExports();
  try {
    await body();
    return { struck: count > at, error: undefined };
  } catch (error) {
    return { struck: count > at, error };
  } finally {
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  }
}

type Operation = (...args: never[]) => Promise<unknown>;

function patchFolderOperations(fault: Fault, strikes: () => boolean): (() => void)[] {
  const module = fs as unknown as Record<string, Operation>;
  return ['open', 'mkdir', 'rename', 'rm'].map((name) => {
    const original = module[name]!;
    module[name] = (...args) =>
      !looks(name, args) && strikes() ? Promise.reject(failure(fault)) : original(...args);
    return () => {
      module[name] = original;
    };
  });
}

/** Whether a file is opened to be read alone, as `openPlain` does. */
const looks = (name: string, [, flags]: readonly unknown[]): boolean =>
  name === 'open' && typeof flags === 'number' && (flags & 3) === fs.constants.O_RDONLY;

async function patchWrite(fault: Fault, strikes: () => boolean): Promise<() => void> {
  const file = await fs.open('/dev/null', 'w');
  const prototype = Object.getPrototypeOf(file) as Record<string, Operation>;
  await file.close();
  const { write, writeFile } = prototype;
  prototype.write = async function (this: fs.FileHandle, ...args: never[]) {
    const [bytes, offset, length, position] = args as unknown as [Uint8Array, ...number[]];
    if (!strikes()) return write!.apply(this, args);
    await write!.apply(this, [bytes, offset, length! >> 1, position] as never[]);
    throw failure(fault);
  };
  prototype.writeFile = async function (this: fs.FileHandle, ...args: never[]) {
    if (!strikes()) return writeFile!.apply(this, args);
    const [content] = args as unknown as [string];
    await writeFile!.apply(this, [content.slice(0, content.length >> 1)] as never[]);
    throw failure(fault);
  };
  return () => {
    prototype.write = write!;
    prototype.writeFile = writeFile!;
  };
}

function failure(fault: Fault): Error {
  if (fault === 'crash') return new Error('the process is gone');
  return Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    syscall: 'write',
  });
}
