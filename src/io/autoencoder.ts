/** Autoencoders in diffusers' layout: a folder of a config.json and a file of weights. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import {
  AUTOENCODER_NAMES,
  type AutoencoderConfig,
  type Half,
  isOfHalf,
  readAutoencoderConfig,
} from '../network/autoencoder.js';
import type { Graph } from '../network/graph.js';
import { stateShapes } from '../network/parameters.js';
import type { StateDict, Tensor } from '../network/state.js';
import { printable } from '../printable.js';
import { weightsIn } from './pipeline.js';
import { withTensorFile } from './read-tensors.js';
import { isFileSync, readJsonFileSync } from './run.js';
import { byCurrentName, checkValues, type NamedEntry, named } from './weights.js';

/** An autoencoder and its files. */
export interface AutoencoderFiles {
  readonly folder: string;
  readonly config: AutoencoderConfig;
  readonly configFile: string;
  /** Its file of weights, of both halves. */
  readonly weights: string;
}

/** What it computes with; the file may hold only the half that is needed. */
export type AutoencoderWeights = Pick<AutoencoderFiles, 'config' | 'weights'>;

/**
 * The autoencoder in a folder. Of the weights it only looks for the file.
 * @throws UsageError for anything else, naming what is missing or not supported
 */
export function findAutoencoder(folder: string): AutoencoderFiles {
  const configFile = join(folder, 'config.json');
  if (!isFileSync(configFile))
    throw new UsageError(
      `${folder}: expected the folder of an ${AUTOENCODER_NAMES}, got ${described(folder)}`,
    );
  const json = readJsonFileSync(configFile);
  const inside = autoencoderInside(folder);
  // A run has a config of its own, of no class.
  if (json._class_name === undefined && inside !== undefined)
    throw new UsageError(
      `${folder}: expected the folder of an ${AUTOENCODER_NAMES}, got that of a run, which has one in ${inside}`,
    );
  const config = readAutoencoderConfig(configFile, json);
  return { folder, config, configFile, weights: weightsIn(folder) };
}

/** The folder of the autoencoder in a run or a pipeline. */
const autoencoderInside = (path: string): string | undefined =>
  ['vae', 'vqvae']
    .map((name) => join(path, name))
    .find((folder) => isFileSync(join(folder, 'config.json')));

/** What a path without a config.json is. */
function described(path: string): string {
  const inside = autoencoderInside(path);
  if (inside !== undefined) return `that of a pipeline, which has one in ${inside}`;
  if (isFileSync(path)) return 'a file';
  return existsSync(path) ? 'one without config.json' : 'none';
}

/**
 * The weights of one half, under the names of its graph.
 * @throws UsageError naming the file and the first tensor that is missing, unexpected, of another shape or type, or not finite
 */
export const readHalf = (path: string, half: Half, graph: Graph): Promise<StateDict> =>
  readPart(path, graph, { what: half, owns: (name) => isOfHalf(half, name) });

/** The weights of a graph that is all of its file. @throws UsageError like `readHalf` */
export const readWhole = (path: string, graph: Graph): Promise<StateDict> =>
  readPart(path, graph, { what: 'autoencoder', owns: () => true });

/** What a graph is in its file, and which tensors belong to it. */
interface Part {
  readonly what: string;
  readonly owns: (tensor: string) => boolean;
}

async function readPart(path: string, graph: Graph, part: Part): Promise<StateDict> {
  return withTensorFile(path, async (file) => {
    const entries = named(path, () => byCurrentName(file.entries));
    const state = new Map<string, Tensor>();
    for (const [name, { stored, shape }] of fitting(path, part, graph, entries))
      state.set(name, { ...(await file.read(stored)), shape } as Tensor);
    checkValues(state, entries, path);
    return state;
  });
}

/** The part's tensors. */
function fitting(
  path: string,
  { what, owns }: Part,
  graph: Graph,
  entries: ReadonlyMap<string, NamedEntry>,
): [string, NamedEntry][] {
  const shapes = stateShapes(graph);
  const refuse = (name: string, expected: string, got: string): never => {
    throw new UsageError(`${path}: ${printable(name)}: expected ${expected}, got ${got}`);
  };
  for (const name of entries.keys())
    if (owns(name) && !shapes.has(name)) refuse(name, `no such tensor in this ${what}`, 'one');
  return [...shapes].map(([name, shape]) => {
    const entry = entries.get(name);
    if (!entry) return refuse(name, 'a tensor with this name', 'none');
    if (entry.shape.join() !== shape.join())
      return refuse(name, `the shape ${show(shape)}`, show(entry.shape));
    return [name, entry];
  });
}

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
