// `npm run fuzz`: damages files, and looks for ones that a reader neither reads nor refuses in one line. Each reader has its own
// process, which is killed if it hangs. Finds are kept in test/fixtures/fuzz, which a test reads.
//
//     npm run fuzz                                  every reader for 20 seconds, with a new seed each time
//     npm run fuzz -- --seconds 600 torch npz       some readers for longer
//     npm run fuzz -- --seed 7                      repeats an earlier search
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, fail, install, root } from './prepare.js';

/** Extra seconds for a reader's last file. */
const PATIENCE = 30;

/** MiB of the JavaScript heap. */
const MEMORY = 1024;

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { seconds: { type: 'string', default: '20' }, seed: { type: 'string' } },
    });
  } catch (error) {
    return fail(error.message);
  }
}

const { values, positionals } = parse();
const seconds = Number(values.seconds);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(seconds > 0) || !Number.isSafeInteger(seed))
  fail('expected --seconds above 0 and a whole --seed');

/** Runs the search for one reader: returns its output, or why it failed. */
function run(name, file) {
  const script = join(root, 'dist', 'test', 'fuzz', 'run.js');
  const args = [`--max-old-space-size=${MEMORY}`, script, name, `${seconds}`, `${seed}`, file];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [said, error] = ['', ''];
    child.stdout.on('data', (text) => (said += text));
    child.stderr.on('data', (text) => (error = `${error}${text}`.slice(-4000)));
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        child.kill('SIGKILL');
      },
      1000 * (seconds + PATIENCE),
    );
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(said));
      else resolve({ error: late ? 'it does not come to an end' : `${signal ?? code}: ${error}` });
    });
  });
}

install();
build();
const folder = mkdtempSync(join(tmpdir(), 'haze-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'file');
let found = 0;
const { names, error: failure } = await run('', file);
if (!names) fail(failure);
const other = positionals.find((name) => !names.includes(name));
if (other) fail(`expected ${names.join(', ')}, got ${other}`);
console.log(`seed ${seed}, ${seconds} s each`);
for (const name of positionals.length > 0 ? positionals : names) {
  const { tried, error } = await run(name, file);
  if (error === undefined) {
    console.log(`${name.padEnd(20)} ${tried} files`);
    continue;
  }
  found++;
  const bytes = readFileSync(file);
  const place = join(root, 'test', 'fixtures', 'fuzz', name);
  mkdirSync(place, { recursive: true });
  const kept = join(place, createHash('sha256').update(bytes).digest('hex').slice(0, 16));
  writeFileSync(kept, bytes);
  console.log(`${name.padEnd(20)} FOUND ${kept}\n${error}`);
}
process.exitCode = found > 0 ? 1 : 0;
