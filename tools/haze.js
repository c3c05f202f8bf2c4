// The built program, as `npm start` runs it. No dependency may be imported here.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './prepare.js';

const CLI = join(root, 'dist', 'src', 'cli.js');

/** The character that a terminal in raw mode sends for Ctrl-C. */
const CTRL_C = 3;

/** Shows and runs a command; ends with its exit code if it fails. The command handles Ctrl-C: it saves its run. */
export function haze(...args) {
  process.on('SIGINT', () => {});
  say(args);
  const { status } = spawnSync(process.execPath, [CLI, ...args], { cwd: root, stdio: 'inherit' });
  process.removeAllListeners('SIGINT');
  if (status === 0) return;
  process.exit(status ?? 1);
}

/**
 * Shows and runs the last command, until Ctrl-C, which is read as a key and passed on: the terminal's signal would also reach the shell
 * in which npm runs this program, and that shell would die of it, whatever this program's exit code.
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
