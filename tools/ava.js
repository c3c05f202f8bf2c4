// Ava with a Test Anything Protocol reporter that reports every failure. That of ava 7 throws, and with it all further
// results are lost, while it names tests that hang or call process.exit(), as it takes the error that it makes itself for
// one that came from a test's process; and at an error whose stack names no place, as those of fs's `rm`, since it writes
// that place as undefined.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './prepare.js';

const ava = (path) => pathToFileURL(join(root, 'node_modules', 'ava', path)).href;
const { default: TapReporter } = await import(ava('lib/reporters/tap.js'));

/** Tests that had not ended, each as a failure. */
function writePending(reporter, pendingTests, message) {
  const stack = `Error: ${message}`;
  for (const [testFile, titles] of pendingTests)
    for (const title of titles) {
      const err = { type: 'native', name: 'Error', originalError: { message }, stack };
      reporter.writeTest({ testFile, title, err }, { passed: false, todo: false, skip: false });
    }
}

TapReporter.prototype.writeTimeout = function ({ period, pendingTests }) {
  writePending(this, pendingTests, `did not end: no test has ended within ${period / 1000} s`);
};

TapReporter.prototype.writeProcessExit = function ({ testFile, pendingTests }) {
  writePending(this, pendingTests, `process.exit() was called in ${this.relativeFile(testFile)}`);
};

for (const method of ['writeTest', 'writeCrash']) {
  const write = TapReporter.prototype[method];
  TapReporter.prototype[method] = function (event, ...more) {
    const { err } = event;
    if (err?.originalError instanceof Error) {
      const stack = String(err.stack || err.originalError.stack || err.name);
      err.stack = stack.includes('\n') ? stack : `${stack}\n    at an unknown place`;
    }
    return write.call(this, event, ...more);
  };
}

await import(ava('entrypoints/cli.mjs'));
