// Ava with a Test Anything Protocol reporter that can report tests which hang: that of ava 7 throws while it names
// them, as it takes the error that it makes itself for one that came from a test's process.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './prepare.js';

const ava = (path) => pathToFileURL(join(root, 'node_modules', 'ava', path)).href;
const { default: TapReporter } = await import(ava('lib/reporters/tap.js'));

TapReporter.prototype.writeTimeout = function ({ period, pendingTests }) {
  const message = `did not end: no test has ended within ${period / 1000} s`;
  const stack = `Error: ${message}`;
  for (const [testFile, titles] of pendingTests)
    for (const title of titles) {
      const err = { type: 'native', name: 'Error', originalError: { message }, stack };
      this.writeTest({ testFile, title, err }, { passed: false, todo: false, skip: false });
    }
};

await import(ava('entrypoints/cli.mjs'));
