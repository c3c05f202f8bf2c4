/**
 * Finds a network's tensors in a file: files of weights may have a prefix on the names (`module.` of
 * DataParallel, `_orig_mod.` of torch.compile, a checkpoint's `model_state_dict.`) and other tensors beside them. A network is
 * located by its anchor, a tensor that it has exactly once.
 */
import { UsageError } from '../errors.js';
import { show } from './json.js';
import { isFile } from './run.js';

/** A network's tensors within a file. */
export interface NetworkNames {
  /** The prefix of each of the network's names; empty, or ending in a dot. */
  readonly prefix: string;
  /** For the user: which names were used; null if they have no prefix. */
  readonly note: string | null;
}

/**
 * Finds the network whose names include `anchor`.
 * @param under chooses the one under this prefix, if there are several
 * @returns undefined if there is none
 * @throws UsageError if there are several, naming them
 */
export function findNetwork(
  path: string,
  names: Iterable<string>,
  anchor: string,
  under?: string,
): NetworkNames | undefined {
  const all = [...names];
  const found = all
    .filter((name) => name === anchor || name.endsWith(`.${anchor}`))
    .map((name) => name.slice(0, -anchor.length));
  const wanted = under === undefined ? found : found.filter((p) => p.startsWith(`${under}.`));
  if (under === undefined && wanted.includes('')) return { prefix: '', note: null };
  const [prefix] = wanted;
  if (wanted.length > 1) throw ambiguous(path, wanted, under);
  if (prefix === undefined) {
    if (under === undefined) return undefined;
    throw new UsageError(`${path}: expected a network under ${show(under)}, got ${list(found)}`);
  }
  const taken = all.filter((name) => name.startsWith(prefix)).length;
  return { prefix, note: noteOf(path, prefix, taken, all.length - taken) };
}

/** The tensors under a prefix, by the network's own names. */
export function below<T>(entries: ReadonlyMap<string, T>, prefix: string): Map<string, T> {
  const own = [...entries].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, entry]) => [name.slice(prefix.length), entry]));
}

/** The user's form of a file of weights: `checkpoint.pt#ema` is the network under `ema` in checkpoint.pt. */
export interface WeightsPath {
  readonly file: string;
  readonly under: string | undefined;
}

/** Splits `path`, unless a file with this name exists. */
export async function weightsPath(path: string): Promise<WeightsPath> {
  const at = path.lastIndexOf('#');
  const file = path.slice(0, at);
  if (at <= 0 || (await isFile(path)) || !(await isFile(file)))
    return { file: path, under: undefined };
  return { file, under: path.slice(at + 1) };
}

function noteOf(path: string, prefix: string, taken: number, left: number): string {
  const begin = `${path}: the network's ${taken} tensors are named ${show(`${prefix}…`)}, read without that prefix`;
  return left === 0 ? begin : `${begin}; ${left} other${left === 1 ? ' is' : 's are'} left out`;
}

function ambiguous(path: string, found: readonly string[], under: string | undefined): UsageError {
  const where = under === undefined ? '' : ` under ${show(under)}`;
  return new UsageError(
    `${path}: expected one network${where}, got ${list(found)}; choose one by name, as in ` +
      show(`${path}#${found[0]!.slice(0, -1)}`),
  );
}

function list(prefixes: readonly string[]): string {
  const some = prefixes
    .slice(0, 8)
    .map((p) => (p === '' ? 'one without prefix' : show(p.slice(0, -1))));
  return [...some, ...(prefixes.length > some.length ? ['...'] : [])].join(', ') || 'none at all';
}
