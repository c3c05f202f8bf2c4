/**
 * Writes docs/BENCHMARKS.md's tables and plots from a run of this Node, and the measurements into docs/benchmarks.json; if
 * vectors can be wide, into docs/benchmarks-wide.json; and if PyTorch is limited to 256 bits, with the suffix `-256`. `npm run
 * benchmarks` runs it on one Node of either kind.
 *
 *     node dist/bench/benchmarks.js                                    everything, beside every available peer
 *     node dist/bench/benchmarks.js --rounds 3                         with any flag of haze bench
 *     node dist/bench/benchmarks.js --from docs/benchmarks.json        again, from earlier measurements
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readResults } from '../src/bench/compare.js';
import { writePlot } from '../src/bench/plot.js';
import { SUBJECTS } from '../src/bench/result.js';
import { RunError, UsageError } from '../src/errors.js';
import { writeFileAtomically } from '../src/io/atomic.js';
import { editionOf, fill } from './document.js';
import { readReport } from './read-report.js';

const docs = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url));

/** With fewer, medians vary more between runs; three take half an hour on two cores, on each Node. */
const ROUNDS = ['--rounds', '9'];

/** Size limit of a run's JSON, in bytes. */
const MOST = 2 ** 26;

/** The output of `haze bench`. @throws RunError if it fails; it has printed why */
function measure(flags: readonly string[]): string {
  const rounds = flags.some((flag) => flag.startsWith('--rounds')) ? [] : ROUNDS;
  const args = [cli, 'bench', 'all', '--peers', '--layers', '--json', ...rounds, ...flags];
  const { status, stdout } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: MOST,
  });
  if (status !== 0) throw new RunError('haze bench failed; the document is unchanged');
  return stdout;
}

async function run([flag, ...rest]: readonly string[]): Promise<void> {
  const document = docs('BENCHMARKS.md');
  const from = flag === '--from' ? rest[0] : undefined;
  if (flag === '--from' && rest.length !== 1)
    throw new UsageError(`--from: expected one file, got ${rest.length}`);
  if (from !== undefined) await readResults(from, '--from');
  const text = await readFile(document, 'utf8');
  const json =
    from === undefined
      ? measure(flag === undefined ? [] : [flag, ...rest])
      : await readFile(from, 'utf8');
  const report = readReport(JSON.parse(json), from ?? 'haze bench');
  const filled = fill(text, report);
  const edition = editionOf(report);
  await writeFileAtomically(docs(`benchmarks${edition}.json`), json);
  // PyTorch with its own width is drawn; with another, it is in tables.
  for (const subject of edition.endsWith('-256') ? [] : SUBJECTS) {
    const results = report.results.filter((row) => row.subject === subject);
    await writePlot(docs(`images/bench${edition}-${subject}.svg`), results);
  }
  await writeFileAtomically(document, filled);
  console.log(document);
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof RunError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
