/**
 * JSON from files that we did not write. `JSON.parse` silently keeps the last of two duplicate keys and nests as
 * deep as memory allows; this reader refuses both.
 */
import { printable } from '../printable.js';

/** Limits of a file: nesting and names are checked before a single object is created. */
export interface JsonLimits {
  readonly depth: number;
  /** Names in all objects together. */
  readonly names: number;
}

/**
 * Parses JSON text.
 * @throws SyntaxError if it is malformed, an object has a duplicate name, or a limit is exceeded
 */
export function parseJson(text: string, limits: JsonLimits): unknown {
  checkNames(text, limits);
  return parsed(text);
}

/** `JSON.parse`, with messages that are safe to print. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the fault, which may hold anything.
    throw new SyntaxError(printable((error as Error).message), { cause: error });
  }
}

/** True for `{…}`, false for arrays, null and everything else. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as JSON; of one that nests deeper than the stack goes, that it does. Undefined where JSON has nothing for it, as for a bigint. */
export function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return 'a value that nests too deep';
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** A value of a file for an error message: quoted, short, without control characters. */
export function show(value: unknown): string {
  const text = jsonText(value) ?? String(value);
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}

/** Checks the text's strings and brackets; JSON.parse checks the rest of the syntax. */
function checkNames(text: string, limits: JsonLimits): void {
  const scopes: Set<string>[] = [];
  let names = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{' || c === '[') {
      if (scopes.push(new Set()) > limits.depth)
        throw new SyntaxError(`nested deeper than ${limits.depth} levels`);
    } else if (c === '}' || c === ']') {
      scopes.pop();
    } else if (c === '"') {
      const end = stringEnd(text, i);
      if (isName(text, end)) {
        if (++names > limits.names) throw new SyntaxError(`more than ${limits.names} names`);
        addName(scopes.at(-1), text.slice(i, end));
      }
      i = end - 1;
    }
  }
}

function addName(scope: Set<string> | undefined, quoted: string): void {
  const name = parsed(quoted); // "a" and "\u0061" are the same name.
  if (typeof name !== 'string' || !scope) return;
  if (scope.has(name)) throw new SyntaxError(`the name ${show(name)} appears twice`);
  scope.add(name);
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  throw new SyntaxError('a string does not end');
}

function isName(text: string, from: number): boolean {
  let i = from;
  while (i < text.length && ' \t\r\n'.includes(text[i]!)) i++;
  return text[i] === ':';
}
