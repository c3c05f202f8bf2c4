/**
 * Keeps a model open and draws a PNG per request: PORT=3000 node server.ts MODEL
 * `curl 'localhost:3000/?seed=7&count=4' > four.png`; the same seed gives the same picture.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodePng, grid, Interrupted, load, toImages, UsageError } from 'haze';

await using model = await load(process.argv[2] ?? 'runs/photos');

const server = createServer(async (request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const number = (name: string, otherwise: number) => Number(searchParams.get(name) ?? otherwise);
  const leaving = new AbortController();
  response.on('close', () => leaving.abort()); // the client has left: stop, and serve the next request
  try {
    const { images, pictures } = await model.sample({
      count: Math.min(number('count', 1), 64),
      seed: number('seed', 0),
      signal: leaving.signal,
    });
    const png = await encodePng(grid(toImages(images, pictures)));
    response.writeHead(200, { 'content-type': 'image/png', 'cache-control': 'max-age=86400' });
    response.end(png);
  } catch (error) {
    if (error instanceof Interrupted) return;
    const isTheirs = error instanceof UsageError;
    response.writeHead(isTheirs ? 400 : 500, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(isTheirs ? `${error.message}\n` : 'drawing failed\n');
    if (!isTheirs) console.error(error);
  }
});

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
const stopped = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
});
await stopped;
server.close();
