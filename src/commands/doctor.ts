/** `haze doctor`: what this machine supports, and how to fix what is missing. */
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { printable } from '../printable.js';
import { requireCuda } from '../tensorflow/describe.js';
import { examine, type Finding } from './findings.js';
import { print, printJson } from './text.js';

export async function run(args: Args): Promise<void> {
  const wantsCuda = readRequireCuda(args);
  const findings = await examine();
  if (args.boolean('json')) printJson(asJson(findings));
  else print(asText(findings));
  if (wantsCuda) await requireCuda();
}

function asJson(findings: readonly Finding[]): unknown {
  return {
    ok: findings.every(({ state }) => state !== 'missing'),
    findings,
  };
}

const MARKS = { good: '✓', optional: '-', missing: '✗' };

function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.flatMap(({ what, state, found, fix }) => [
    `${MARKS[state]} ${what.padEnd(width)}  ${printable(found)}`,
    ...(fix === null ? [] : [`  ${' '.repeat(width)}  → ${printable(fix)}`]),
  ]);
  return `${lines.join('\n')}\n`;
}
