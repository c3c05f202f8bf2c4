import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { endWith, hasEnded } from './child.js';
import { Lost, Marionette } from './marionette.js';
import { needing } from './needing.js';

/** Firefox as systems have it; playwright drives one of its own alone. `HAZE_FIREFOX` names another. */
const PLACES = [process.env.HAZE_FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'];

const executable = PLACES.find((path) => path && existsSync(path));

/** A test that needs Firefox. */
export const firefoxTest = needing(
  executable ? undefined : 'there is no Firefox; HAZE_FIREFOX names one',
  test.serial,
);

/** Keys as WebDriver spells them. */
export const KEYS = { home: '\uE011', end: '\uE010', left: '\uE012', right: '\uE014' } as const;

/** The one tab of a Firefox that ends with the test. */
export interface Tab {
  /** Sets out for an address; what is to be there is waited for by `until`. */
  goto(url: string): Promise<void>;
  /** The value of an expression, waited for, as JSON passes it on. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression is true, whatever pages come and go meanwhile. */
  until(expression: string): Promise<void>;
  click(selector: string): Promise<void>;
  press(selector: string, key: string): Promise<void>;
}

export async function openTab(t: ExecutionContext): Promise<Tab> {
  const browser = await openFirefox(t);
  // Whether a page has come is for tests to say: one that is loaded twice may end no load.
  await browser.ask('WebDriver:NewSession', { pageLoadStrategy: 'none' });
  const execute = async (script: string) => {
    const said = await browser.ask('WebDriver:ExecuteScript', { script, args: [] });
    return (said as { value: unknown }).value;
  };
  const evaluate = async (expression: string) => {
    const script = `return (async () => JSON.stringify(await (${expression})) ?? 'null')()`;
    return JSON.parse(String(await execute(script))) as unknown;
  };
  const idOf = async (selector: string) => {
    const asked = { using: 'css selector', value: selector };
    const { value } = (await browser.ask('WebDriver:FindElement', asked)) as { value: object };
    return { id: Object.values(value)[0] as string };
  };
  return {
    goto: async (url) => {
      await browser.ask('WebDriver:Navigate', { url });
    },
    evaluate,
    until: async (expression) => {
      // Not a promise: one of a page that goes is waited for in vain.
      const script = `return Boolean(${expression})`;
      while ((await execute(script).catch(unlessLost)) !== true) await setTimeout(50);
    },
    click: async (selector) => {
      await browser.ask('WebDriver:ElementClick', await idOf(selector));
    },
    press: async (selector, text) => {
      await browser.ask('WebDriver:ElementSendKeys', { ...(await idOf(selector)), text });
    },
  };
}

/** A page that goes takes what it was asked with it. */
function unlessLost(error: unknown): boolean {
  if (error instanceof Lost) throw error;
  return false;
}

/** Firefox takes a free port, and writes its number into the profile. */
const PREFERENCES = 'user_pref("marionette.port", 0);\n';
const PORT = 'MarionetteActivePort';

async function openFirefox(t: ExecutionContext): Promise<Marionette> {
  const profile = await mkdtemp(join(tmpdir(), 'haze-test-firefox-'));
  // Processes that end may still write into it.
  const clear = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 };
  t.teardown(() => rm(profile, clear));
  await writeFile(join(profile, 'user.js'), PREFERENCES);
  const args = ['--marionette', '--headless', '--no-remote', '--profile', profile];
  const browser = spawn(executable!, args, {
    // What a browser says is not read, so it must not have to wait for a reader.
    stdio: 'ignore',
    env: { ...process.env, HOME: profile },
  });
  endWith(t, browser);
  return Marionette.connect(await portOf(browser, join(profile, PORT)));
}

async function portOf(browser: ChildProcess, path: string): Promise<number> {
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (/^\d+$/.test(text)) return Number(text);
    if (hasEnded(browser)) throw new Lost('Firefox ended before it listened');
    await setTimeout(50);
  }
}
