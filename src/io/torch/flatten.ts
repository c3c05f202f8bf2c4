/** The tensors in nested dictionaries, lists and tuples, each named by its path: `model.conv0.weight`. */
import { PickleError } from './byte-reader.js';
import { StoredTensor, Tuple, type Value } from './values.js';

/** As in a safetensors header; checkpoints nest some five levels. */
const MOST_TENSORS = 400_000;
const DEEPEST = 32;
/** As many as a pickle may have opcodes; but a pickle may refer to one list in many places, so opcodes alone do not bound the values. */
const MOST_VALUES = 10_000_000;
const LONGEST_NAME = 4096;

/** In file order, only tensors. @throws PickleError for a duplicate name, and beyond limits */
export function tensorsByName(root: Value): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  let values = 0;
  const visit = (value: Value, path: string, depth: number): void => {
    if (++values > MOST_VALUES) throw new PickleError(`it has more than ${MOST_VALUES} values`);
    if (value instanceof StoredTensor) add(found, path, value);
    const entries = entriesOf(value);
    if (!entries) return;
    if (depth === DEEPEST) throw new PickleError(`it nests deeper than ${DEEPEST} levels`);
    for (const [key, inner] of entries) {
      if (typeof key !== 'string' && typeof key !== 'number') continue;
      if (path.length + String(key).length > LONGEST_NAME)
        throw new PickleError(`a name of more than ${LONGEST_NAME} characters`);
      visit(inner, path === '' ? String(key) : `${path}.${key}`, depth + 1);
    }
  };
  visit(root, '', 0);
  return found;
}

function add(found: Map<string, StoredTensor>, name: string, tensor: StoredTensor): void {
  if (found.has(name)) throw new PickleError(`two tensors are named ${JSON.stringify(name)}`);
  if (found.size === MOST_TENSORS)
    throw new PickleError(`it has more than ${MOST_TENSORS} tensors`);
  found.set(name, tensor);
}

function entriesOf(value: Value): Iterable<readonly [Value, Value]> | undefined {
  if (value instanceof Map) return value.entries();
  if (value instanceof Tuple) return value.items.entries();
  return Array.isArray(value) ? (value as readonly Value[]).entries() : undefined;
}
