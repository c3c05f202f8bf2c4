/** A model's weights in a file: their network, and whether they are valid. */
import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import { withoutVariance } from '../network/learned-variance.js';
import type { NetworkConfig } from '../network/network.js';
import { currentName, currentShape } from '../network/old-names.js';
import { ANCHORS, type Hints, networkFromShapes } from '../network/recognise.js';
import { withoutSingleClass } from '../network/single-class.js';
import { firstNotFinite, type StateDict, type Tensor } from '../network/state.js';
import { hashFile } from './hash.js';
import { below, findNetwork, type NetworkNames, weightsPath } from './network.js';
import { withTensorFile } from './read-tensors.js';
import type { TensorEntry, TensorFile } from './tensor-file.js';

/** Told which of a file's names were used, if they are not the network's own. */
export type OnNote = (text: string) => void;

/**
 * The network of a file of weights.
 * @param path as `weightsPath` takes it
 * @param hints what is known beside its shapes
 * @throws UsageError naming the file and the first tensor at fault
 */
export function readNetwork(
  path: string,
  onNote: OnNote = () => {},
  hints: Hints = {},
): Promise<NetworkConfig> {
  return withNetwork(path, onNote, async (_, entries) => networkOf(path, entries, hints));
}

/**
 * Checks that a file of weights fits a network, using only its header.
 * @param whose who expects that, for the message: `this run`
 * @throws UsageError naming the difference
 */
export async function checkNetworkOf(
  path: string,
  expected: NetworkConfig,
  whose: string,
): Promise<void> {
  const found = await readNetwork(path, () => {}, expected.kind === 'simple' ? {} : expected);
  for (const [key, got] of Object.entries(found)) {
    const wanted = expected[key as keyof NetworkConfig];
    const name = key === 'kind' ? '--network' : key;
    if (!isDeepStrictEqual(got, wanted))
      throw new UsageError(
        `${path}: expected ${name} ${wanted ?? 'none'}, as ${whose} has, got ${got ?? 'none'}`,
      );
  }
}

/**
 * The weights of a file, under the network's own names. Batch counters may be missing, as in old files.
 * @param path as `weightsPath` takes it
 * @throws UsageError for a tensor that is missing, unexpected or of another type, or has a value that is not
 * finite, or a variance below zero.
 */
export async function readWeights(path: string, onNote: OnNote = () => {}): Promise<StateDict> {
  const { tensors, network } = await withNetwork(path, onNote, async (file, entries, prefix) => {
    const network = networkOf(path, entries);
    const read = new Map<string, Tensor>();
    for (const [name, { stored, shape }] of entries)
      read.set(name, { ...(await file.read(prefix + stored)), shape } as Tensor);
    checkValues(read, entries, path);
    return { tensors: read, network };
  });
  checkVariances(tensors, path);
  return network.kind === 'dit' ? withoutVariance(withoutSingleClass(tensors), network) : tensors;
}

/**
 * @param entries the tensors in the file, whose types may be others than those that they are read as
 * @throws UsageError for a tensor of the wrong type, or with a value that is not finite
 */
export function checkValues(
  tensors: StateDict,
  entries: ReadonlyMap<string, NamedEntry>,
  path: string,
): void {
  for (const [name, { dtype }] of tensors) {
    const expected = name.endsWith('.num_batches_tracked') ? 'I64' : 'F32';
    if (dtype !== expected)
      throw new UsageError(
        `${path}: ${name}: expected ${expected} or a type that converts to it, got ${entries.get(name)?.dtype ?? dtype}`,
      );
  }
  const fault = firstNotFinite(tensors);
  if (fault)
    throw new UsageError(`${path}: ${fault.name}: expected finite numbers, got ${fault.value}`);
}

/** SHA-256 of a file of weights, and of the chosen network's name, if one was chosen. */
export async function hashWeights(path: string): Promise<string> {
  const { file, under } = await weightsPath(path);
  const hash = await hashFile(file);
  return under === undefined ? hash : `${hash}#${under}`;
}

/** A tensor of a network under its current name: its name in the file, its type there, and its shape. */
export interface NamedEntry extends TensorEntry {
  readonly stored: string;
}

/** Opens a file of weights and finds the network in it; if there is none, its names are used unchanged. */
async function withNetwork<T>(
  path: string,
  onNote: OnNote,
  use: (file: TensorFile, entries: Map<string, NamedEntry>, prefix: string) => Promise<T>,
): Promise<T> {
  const { file, under } = await weightsPath(path);
  return withTensorFile(file, async (opened) => {
    const { prefix = '', note = null } = findAnyNetwork(file, opened, under) ?? {};
    if (note !== null) onNote(note);
    return use(
      opened,
      named(path, () => byCurrentName(below(opened.entries, prefix))),
      prefix,
    );
  });
}

/** The network in a file, of any kind; undefined if there is none. @throws UsageError if there are several */
export function findAnyNetwork(
  file: string,
  { entries }: Pick<TensorFile, 'entries'>,
  under: string | undefined,
): NetworkNames | undefined {
  for (const anchor of Object.values(ANCHORS)) {
    const here = [...entries.keys()].some((name) => name === anchor || name.endsWith(`.${anchor}`));
    if (here) return findNetwork(file, entries.keys(), anchor, under);
  }
  return undefined;
}

/** Tensors under their current names. @throws UsageError for one that has two */
export function byCurrentName(entries: ReadonlyMap<string, TensorEntry>): Map<string, NamedEntry> {
  const found = new Map<string, NamedEntry>();
  for (const [stored, entry] of entries) {
    const name = currentName(stored);
    const other = found.get(name);
    if (other) throw new UsageError(`${name}: expected it once, got ${other.stored} and ${stored}`);
    const { dtype, shape } = entry;
    found.set(name, { stored, dtype, shape: currentShape(name, shape) });
  }
  return found;
}

function networkOf(
  path: string,
  entries: ReadonlyMap<string, NamedEntry>,
  hints: Hints = {},
): NetworkConfig {
  const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
  return named(path, () => networkFromShapes(shapes, hints));
}

/** A norm takes the root of its running variance: a negative one would turn every pixel into NaN. */
function checkVariances(tensors: StateDict, path: string): void {
  for (const [name, { data }] of tensors) {
    const negative = name.endsWith('.running_var')
      ? Array.from(data, Number).find((v) => v < 0)
      : undefined;
    if (negative !== undefined)
      throw new UsageError(`${path}: ${name}: expected variances of 0 or more, got ${negative}`);
  }
}

/** Adds the file's name to errors about its tensors. */
export function named<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
}
