import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp from 'sharp';
import type { StepMetrics } from '../../src/io/metrics.js';
import { serve } from '../../src/watch/server.js';
import type { WatchedRuns } from '../../src/watch/watched-runs.js';

/** A step's line as training writes it. */
export const stepOf = (step: number, change: Partial<StepMetrics> = {}): StepMetrics => ({
  step,
  epoch: Math.floor((step - 1) / 10),
  loss: 1 / step,
  lr: 0.001,
  q0: 2 / step,
  q3: 0.5 / step,
  imagesPerSecond: 50,
  ms: { prepare: 1.5, unet: 12.5 },
  ...change,
});

export const linesOf = (values: readonly unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('');

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A run in `folder/name` as training leaves it, of so many steps out of 40. */
export function writeRun(folder: string, name: string, steps: number, config: object = {}): string {
  const run = join(folder, name);
  mkdirSync(join(run, 'samples'), { recursive: true });
  const training = { batch: 4, steps: 40 };
  writeFileSync(join(run, 'config.json'), JSON.stringify({ version: 1, training, ...config }));
  writeFileSync(
    join(run, 'metrics.jsonl'),
    linesOf(
      range(1, steps).flatMap((step) =>
        step % 10 === 0
          ? [stepOf(step), { step, epoch: step / 10 - 1, heldOutLoss: 1.1 / step }]
          : [stepOf(step)],
      ),
    ),
  );
  return run;
}

export const appendSteps = (run: string, from: number, to: number): void =>
  appendFileSync(join(run, 'metrics.jsonl'), linesOf(range(from, to).map((step) => stepOf(step))));

/** A small picture of one colour. */
export const writePng = (path: string, red: number): Promise<unknown> =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: { r: red, g: 80, b: 160 } } })
    .png()
    .toFile(path);

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Serves runs while a test goes on; resolves to its address. */
export async function serving(t: ExecutionContext, runs: WatchedRuns): Promise<string> {
  const server = await serve(runs, { host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  return server.url;
}

/** A request whose path goes out as it stands: fetch would normalise it. */
export function ask(
  url: string,
  path: string,
  { method = 'GET', ...headers }: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

export const askJson = async <T>(url: string, path: string): Promise<T> =>
  JSON.parse((await ask(url, path)).body.toString()) as T;
