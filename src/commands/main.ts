/** Finds the command, runs it, and turns errors into a message and an exit code. */

import { Args } from '../config/args.js';
import { quote, suggestion } from '../config/source.js';
import { RunError, UsageError } from '../errors.js';
import { systemReason } from '../io/atomic.js';
import { requireRoomToStart } from '../machine/address-space.js';
import { throwIfMachines } from '../machine/faults.js';
import { printable, printableLines } from '../printable.js';
import { withoutPasswords } from '../queue/address.js';
import { version } from '../version.js';
import { checkArgv } from './check-argv.js';
import { keepHangupIgnored } from './interrupt.js';
import { COMMANDS } from './list.js';
import { isLastWords } from './text.js';
import { commandLine } from './usage.js';

const words = process.argv.slice(2);
const verbose = words.includes('--verbose');

const HELP: readonly string[] = ['--help', '-h'];

/** Runs the command; then the process has its exit code. */
export async function main(): Promise<void> {
  keepHangupIgnored();
  // A reader that closes early (`| head`) is no failure: the work is still done.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    const message = `the result cannot be written to stdout: ${systemReason(error) ?? error.message}`;
    if (!isLastWords()) process.exit(fail(new RunError(message, { cause: error })));
    process.stderr.write(`warning: ${message}\n`);
  });
  // Stderr is gone; that is no reason to lose a run, or its state when the terminal was closed.
  process.stderr.on('error', () => {});
  process.on('uncaughtException', (error) => process.exit(fail(error)));
  process.on('unhandledRejection', (reason) => process.exit(fail(reason)));

  await runCommand().catch((error: unknown) => {
    process.exitCode = fail(error);
  });
}

async function runCommand(): Promise<void> {
  refuseMissingFolder();
  const line = commandLine(COMMANDS, version(), async (command, values) => {
    // doctor reports what is missing.
    if (command.name !== 'doctor') requireRoomToStart();
    // Node opens all modules of a command at once.
    const { run } = await command.load().catch((error: unknown) => {
      throwIfMachines(error, `${command.name} cannot be loaded`);
      throw error;
    });
    await run(new Args(values));
  });
  const [first] = words;
  if (first === undefined) {
    line.showHelp('log');
    throw new UsageError('expected a command, got none');
  }
  const command = COMMANDS.find(({ name }) => name === first);
  const wantsHelp = words.some((word) => HELP.includes(word));
  if (command && !wantsHelp) checkArgv(command, words.slice(1));
  if (!command && ![...HELP, '--version'].includes(first)) {
    const names = [...COMMANDS.map(({ name }) => name), '--help', '--version'];
    throw new UsageError(
      `${quote(first)}: no such command${suggestion(first, names)}; try haze --help`,
    );
  }
  await line.parseAsync(words).catch((error: Error) => {
    // What the parser refuses is the user's mistake.
    throw error.name === 'YError' ? new UsageError(error.message) : error;
  });
}

/** The parser, workers and every relative path need the current folder. @throws UsageError if it was deleted */
function refuseMissingFolder(): void {
  try {
    process.cwd();
  } catch {
    throw new UsageError('the current folder: expected one that exists, got one that was deleted');
  }
}

/** Prints the error on stderr and returns the exit code: the error's own, else 1. */
function fail(error: unknown): number {
  const known = error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number';
  const message = onOneLine(
    withoutPasswords(error instanceof Error ? error.message : String(error)),
  );
  process.stderr.write(
    `haze: ${printableLines(known || verbose ? message : firstLine(message))}\n`,
  );
  if (verbose && error instanceof Error)
    process.stderr.write(`${printableLines(withoutPasswords(stack(error)))}\n`);
  else if (!known) process.stderr.write('haze: --verbose shows the stack\n');
  return known ? (error.exitCode as number) : 1;
}

/** A message in which what the user has given stands on one line: a file's name may have several. */
const onOneLine = (message: string): string =>
  words
    .map((word) => word.replace(/^--[a-z-]+=/, ''))
    .filter((word) => word.includes('\n'))
    .reduce((text, word) => text.replaceAll(word, printable(word)), message);

/** The stack, and those of its causes. */
function stack(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stack(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] || 'it failed without a reason';
}
