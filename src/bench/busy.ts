/** Processes that keep processors busy during a measurement, as on most machines in use. */
import { fileURLToPath } from 'node:url';
import { PeerProcess } from './peer-process.js';

/** Starts `count` of them, one thread each. Resolves, once all of them compute, to a function that ends them. */
export async function startBusy(count: number): Promise<() => Promise<void>> {
  const script = fileURLToPath(new URL('./busy-process.js', import.meta.url));
  const launch = { program: process.execPath, args: [script] };
  const all = Array.from({ length: count }, () => new PeerProcess('busy', launch));
  const end = async () => {
    await Promise.all(all.map((one) => one.end()));
  };
  try {
    await Promise.all(all.map((one) => one.ready()));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}
