import { existsSync } from 'node:fs';
import test, { type ExecutionContext, type Implementation } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Where systems have Chromium; HAZE_CHROMIUM names another. */
const PLACES = [
  process.env.HAZE_CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

const found = PLACES.find((path) => path !== '' && existsSync(path));

/** A test in a browser; where there is none it is skipped, and its title says why. */
export function inBrowser(title: string, implementation: Implementation<[]>): void {
  if (found === undefined) test.skip(`${title} (no Chromium: set HAZE_CHROMIUM)`, implementation);
  else test.serial(title, implementation);
}

let browser: Promise<Browser> | undefined;

/** Ends the browser of a test file. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
}

/** What a page did that it must not. */
export interface Watched {
  readonly page: Page;
  /** Addresses of requests to other places than `url`. */
  readonly elsewhere: string[];
  /** Errors of the console and of scripts. */
  readonly errors: string[];
}

/** Opens an address in a page of its own, whose requests and errors are kept. */
export async function openPage(
  t: ExecutionContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  browser ??= chromium.launch({
    executablePath: found!,
    // Containers have no room for a sandbox of its own, nor much shared memory.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    timeout: 0,
  });
  const context = await (await browser).newContext({
    viewport: { width: 1200, height: 900 },
    ...options,
  });
  // A test has no time limit of its own: on a busy machine a page may take long.
  context.setDefaultTimeout(0);
  t.teardown(() => context.close());
  const page = await context.newPage();
  const elsewhere: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) elsewhere.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url, { waitUntil: 'load' });
  return { page, elsewhere, errors };
}
