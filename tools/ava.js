// Ava with a Test Anything Protocol reporter that reports every failure: that of ava 7 throws while it names tests
// which hang, as it takes the error that it makes itself for one that came from a test's process, and at an error
// whose stack names no place, as those of fs's `rm`, whose place it writes as undefined.

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

for (const method of ['writeTest', 'writeCrash']) {
  const write = TapReporter.prototype[method];
  TapReporter.prototype[method] = function (event, ...more) {
    const { err } = event;
    if (err?.originalError instanceof Error) {
      const stack = err.stack || err.originalError.stack || err.name;
      if (!stack.includes('\n')) err.stack = `${stack}\n    at an unknown place`;
    }
    return write.call(this, event, ...more);
  };
}

await import(ava('entrypoints/cli.mjs'));
