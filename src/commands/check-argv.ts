import { existsSync } from 'node:fs';
import { quote, suggestion } from '../config/source.js';
import { UsageError } from '../errors.js';
import { allFlags, type Command, positionalsOf } from './command.js';

/**
 * Checks a command's words before they are parsed, for errors that the parser would accept or report less clearly.
 * @throws UsageError for an unknown flag (with a suggestion), a flag given twice, a flag without its value,
 *   and a missing or superfluous word.
 */
export function checkArgv(command: Command, words: readonly string[]): void {
  const flags = allFlags(command);
  const known = positionalsOf(command);
  const seen = new Set<string>();
  const positionals: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!/^-[^0-9.]/.test(word)) {
      positionals.push(word);
      continue;
    }
    const { name, value } = parseFlag(command, word, words[i + 1]);
    if (seen.has(name)) throw new UsageError(`--${name}: given twice`);
    seen.add(name);
    if (flags[name]!.value === undefined) {
      if (value !== undefined)
        throw new UsageError(`--${name}: takes no value, got ${quote(value)}`);
    } else if (value === undefined) {
      i++;
      if (i === words.length || words[i]!.startsWith('--'))
        throw new UsageError(`--${name}: expected ${flags[name]!.value}, got nothing`);
    }
  }
  if (positionals.length > known.length) throw tooMany(command, positionals);
  const positional = known[positionals.length];
  if (positional && !positional.optional)
    throw new UsageError(
      `<${positional.name}>: expected ${lower(positional.describe)}, got nothing`,
    );
}

/** Words that belong to no flag: one that the command does not take, or several where it takes one. */
function tooMany(command: Command, words: readonly string[]): UsageError {
  const { name, positional } = command;
  const extra = words[positionalsOf(command).length]!;
  const there = words.filter((word) => existsSync(word));
  if (!positional?.several || there.length < 2)
    return new UsageError(`${name}: unexpected word ${quote(extra)}`);
  return new UsageError(
    `<${positional.name}>: expected one, got ${words.length} such as ${quote(there[0])}; ${positional.several}`,
  );
}

/** The start of a sentence, for use inside another. */
const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** `--name=value` or `--no-name`, checked against the command's flags; `next` is the word behind it. */
function parseFlag(
  command: Command,
  word: string,
  next: string | undefined,
): { name: string; value: string | undefined } {
  const flags = allFlags(command);
  const at = word.indexOf('=');
  const flag = at < 0 ? word : word.slice(0, at);
  const value = at < 0 ? undefined : word.slice(at + 1);
  const name = flag.replace(/^--(no-)?/, '');
  const known = flag.startsWith('--') && Object.hasOwn(flags, name);
  const negated = flag.startsWith('--no-');
  if (known && (!negated || flags[name]!.negatable)) return { name, value };
  const names = Object.entries(flags).flatMap(([other, { negatable }]) =>
    negatable ? [other, `no-${other}`] : [other],
  );
  const file = word === '--' ? next : word;
  const hint =
    file?.startsWith('-') && existsSync(file)
      ? ` (did you mean ${quote(`./${file}`)}?)`
      : suggestion(flag.replace(/^-+/, ''), names, '--');
  throw new UsageError(`${quote(flag)}: haze ${command.name} has no such flag${hint}`);
}
