// The built program, as `npm start` runs it. No dependency may be imported here.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './prepare.js';

const CLI = join(root, 'dist', 'src', 'cli.js');

/** What a terminal sends for Ctrl-C where it makes no signal of it. */
const CTRL_C = 3;

/** Shows and runs a command; ends with its exit code if it fails. Ctrl-C is the command's: it saves its run. */
export function haze(...args) {
  process.on('SIGINT', () => {});
  say(args);
  const { status } = spawnSync(process.execPath, [CLI, ...args], { cwd: root, stdio: 'inherit' });
  process.removeAllListeners('SIGINT');
  if (status === 0) return;
  process.exit(status ?? 1);
}

/**
 * Shows and runs a last command, until Ctrl-C. That is read as a key and handed on: a signal of the terminal would reach the shell
 * in which npm runs this program, too, and the shell then ends by it, whatever this program's exit code is.
 */
export function hazeUntilCtrlC(...args) {
  say(args);
  const { stdin } = process;
  const stdio = ['ignore', 'inherit', 'inherit'];
  const child = spawn(process.execPath, [CLI, ...args], { cwd: root, stdio });
  let stopped = false;
  const stop = () => {
    stopped = true;
    child.kill('SIGINT');
  };
  process.on('SIGINT', stop);
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    stdin.on('data', (keys) => {
      if (keys.includes(CTRL_C)) stop();
    });
  }
  child.on('exit', (status) => {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    // Windows ends programs without a code.
    process.exitCode = status ?? (stopped ? 0 : 1);
  });
}

const say = (args) => console.log(`\n$ haze ${args.join(' ')}`);
