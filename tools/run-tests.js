// Runs ava and counts, for `npm test` and `npm run test:nodes`. No dependency may be imported here.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './prepare.js';

/** `3 passed, 0 failed, 1 skipped`; skipped tests are named only if there are any. */
export function countText({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Runs ava under `node`, passes on its report in the Test Anything Protocol, and counts. Fails if no test ran. */
export async function runTests(node, args) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const ava = join(root, 'tools', 'ava.js');
  const child = spawn(node, [ava, '--tap', ...args], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    tally(count, line);
  }
  const code = await ended;
  // A crash outside of any test has no line of its own.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  if (count.passed + count.skipped === 0 && count.failed === 0) count.failed = 1;
  return count;
}

function tally(count, line) {
  const result = /^(not )?ok \d+( .*)?$/.exec(line);
  if (!result) return;
  if (/# (SKIP|TODO)\b/i.test(line)) count.skipped++;
  else if (result[1]) count.failed++;
  else count.passed++;
}
