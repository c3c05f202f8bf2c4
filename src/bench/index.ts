/** Runs the suites of the requested subjects one after the other, and joins their findings into one report. */
import { benchArithmetic } from './arithmetic.js';
import { benchGenerate } from './generate.js';
import { machine, versions } from './machine.js';
import type { BenchOptions } from './options.js';
import { benchPreprocess } from './preprocess.js';
import type { Report, Subject } from './result.js';
import { benchSample } from './sample.js';
import { type Findings, join, type Suite } from './suite.js';
import { benchUnet } from './unet.js';

const SUITES: Readonly<Record<Subject, Suite>> = {
  arithmetic: benchArithmetic,
  preprocess: benchPreprocess,
  unet: benchUnet,
  sample: benchSample,
  generate: benchGenerate,
};

/** @throws CheckError if two paths give different results */
export async function bench(subjects: readonly Subject[], options: BenchOptions): Promise<Report> {
  const all: Findings[] = [];
  for (const subject of subjects) all.push(await SUITES[subject](options));
  const { results, missing, layers = [], ...found } = join(all);
  return {
    machine: machine(),
    versions: { ...(await versions()), ...found.versions },
    results,
    missing,
    layers,
  };
}
