import { existsSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { needing } from './needing.js';

/** Where systems have it; `HAZE_CHROMIUM` names another. */
const PLACES = [
  process.env.HAZE_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

const executablePath = PLACES.find((path) => path && existsSync(path));

let browser: Promise<Browser> | undefined;

test.after.always(async () => (await browser)?.close());

/** A test that needs Chromium. */
export const chromiumTest = needing(
  executablePath ? undefined : 'there is no Chromium; HAZE_CHROMIUM names one',
  test.serial,
);

/** A page, and what went on in it. */
export interface Visit {
  readonly page: Page;
  /** Addresses of all requests, those of workers among them. */
  readonly requests: readonly string[];
  /** Errors on the console, and those that nobody caught. */
  readonly errors: readonly string[];
}

/** An empty page in a profile of its own, closed when the test ends. */
export async function openPage(
  t: ExecutionContext,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  browser ??= chromium.launch({
    executablePath: executablePath!,
    // Containers have no room for a sandbox of its own, nor much shared memory.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: 0,
  });
  const context = await (await browser).newContext(options);
  t.teardown(() => context.close());
  const page = await context.newPage();
  const [requests, errors]: [string[], string[]] = [[], []];
  context.on('request', (request) => requests.push(request.url()));
  context.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  // Shorter than ava's limit, so that a wait without end is a failure that names what it waited for.
  context.setDefaultTimeout(240_000);
  return { page, requests, errors };
}

/** Opens an address in a window of 1200x900. `elsewhere` has the requests to other places. */
export async function openAt(
  t: ExecutionContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit & { readonly elsewhere: readonly string[] }> {
  const visit = await openPage(t, { viewport: { width: 1200, height: 900 }, ...options });
  const elsewhere: string[] = [];
  visit.page.context().on('request', (request) => {
    if (!request.url().startsWith(url)) elsewhere.push(request.url());
  });
  await visit.page.goto(url, { waitUntil: 'load' });
  return { ...visit, elsewhere };
}
