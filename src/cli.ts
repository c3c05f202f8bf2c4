#!/usr/bin/env node
/** The entry of the command line. It imports little, since Node opens all files of an import at once, and fails before any can say why. */
import { processLimit } from './machine/process-limits.js';

/** Files that Node 20 has open while it loads the program, and a few more. */
const FEWEST_FILES = 70;

const limit = processLimit('files');
if (limit === null || limit.most >= FEWEST_FILES) {
  const { main } = await import('./commands/main.js');
  await main();
} else {
  process.stderr.write(
    `haze: ${limit.command} leaves too few open files: expected at least ${FEWEST_FILES}, got ${limit.most}; raise it\n`,
  );
  process.exitCode = 1;
}
