/** The script of a page's worker: it opens one model, and draws its images, one request after the other. */
import { loadKernels } from '../engine/host/browser-kernels.js';
import { scope } from '../engine/host/browser-scope.js';
import { aboutOf } from './about.js';
import { download } from './download.js';
import { draw } from './draw.js';
import { type OpenSite, openSite } from './open-site.js';
import type { LoadRequest, Reply, Request } from './protocol.js';
import { inProgramsWords } from './words.js';

/** The current request; the next one waits for it. */
let turn: Promise<void> = Promise.resolve();
let opened: OpenSite | undefined;
/** One for each waiting or running request, by number. */
const cancels = new Map<number, AbortController>();

scope.onmessage = ({ data }) => {
  const request = data as Request;
  if (request.kind === 'cancel') {
    cancels.get(request.id)?.abort();
    return;
  }
  const cancel = new AbortController();
  cancels.set(request.id, cancel);
  turn = turn.then(async () => {
    await answer(request, cancel.signal);
    cancels.delete(request.id);
  });
};

async function answer(request: Request, signal: AbortSignal): Promise<void> {
  const { id } = request;
  const onProgress = (done: number, total: number) => reply({ id, kind: 'progress', done, total });
  try {
    if (request.kind === 'load') {
      reply({ id, kind: 'loaded', about: await load(request.load, onProgress) });
    } else if (request.kind === 'draw') {
      const drawn = await draw(opened!, request.settings, { signal, onProgress });
      const { images, pixels, grid } = drawn;
      reply({ id, kind: 'drawn', drawn }, [images.buffer, pixels.buffer, grid.data.buffer]);
    }
  } catch (error) {
    const [name, text] =
      error instanceof Error ? [error.name, error.message] : ['Error', String(error)];
    reply({ id, kind: 'failed', name, message: inProgramsWords(text) });
  }
}

const reply = (message: Reply, transfer: readonly ArrayBuffer[] = []): void =>
  scope.postMessage(message, transfer);

async function load(
  { kernels, from }: LoadRequest,
  onProgress: (done: number, total: number) => void,
) {
  const build = await loadKernels((wanted) => download(kernels[wanted]));
  opened = await openSite(from, onProgress);
  return aboutOf(opened, build);
}
