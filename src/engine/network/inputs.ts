/** What a pass reads, written into the network's memory: timesteps, labels, weights of losses, and tables of sinusoids. */
import { RunError } from '../../errors.js';
import type { NodeOf } from '../../network/graph.js';
import { sinusoids, type Times, timesteps } from '../../network/sinusoid.js';
import type { Engine } from '../engine.js';
import { plusFloats } from '../pointer.js';
import { channelsOf, type NetworkMemory, tableName } from './memory.js';

/** Writes the reserved words of a plan into memory, and the sinusoids of every timestep that is known in advance. */
export function writeReserved(engine: Engine, memory: NetworkMemory): void {
  for (const { at, words } of memory.reserved)
    new Int32Array(engine.memory.buffer, at, words.length).set(words);
  const { shape } = memory;
  for (const node of sinusoidNodes(memory, 'time')) {
    writeSinusoids(engine, memory, node, timesteps(shape.timesteps));
    writeSinusoids(engine, memory, node, shape.times, shape.timesteps + shape.batch);
  }
}

/** Writes the timesteps of a pass, one per image, which must be valid, into the network's memory. */
export function writeTimes(engine: Engine, memory: NetworkMemory, t: Times): void {
  const rows = new Int32Array(engine.memory.buffer, memory.t, t.length);
  const { timesteps } = memory.shape;
  rows.set(t instanceof Int32Array ? t : t.map((_, image) => timesteps + image));
  if (t instanceof Int32Array) return;
  for (const node of sinusoidNodes(memory, 'time'))
    writeSinusoids(engine, memory, node, t, timesteps);
}

/** Writes the weights of the images' losses into memory. @throws RunError if the network was planned otherwise */
export function writeLossWeights(
  engine: Engine,
  { lossWeights, shape }: NetworkMemory,
  weights: Float32Array | null,
): void {
  if ((weights !== null) !== shape.weighted)
    throw new RunError(`this network was planned ${shape.weighted ? 'for' : 'without'} weights`);
  if (weights) engine.floats(lossWeights, shape.batch).set(weights);
}

/** Writes labels, which must be valid, into the network's memory. */
export function writeLabels(
  engine: Engine,
  memory: NetworkMemory,
  labels: Int32Array | undefined,
): void {
  if (!labels) return;
  const words = new Int32Array(engine.memory.buffer, memory.labels, labels.length);
  words.set(labels);
  // Labels that are embedded like timesteps: a row of sinusoids for each image.
  for (const node of sinusoidNodes(memory, 'label')) {
    writeSinusoids(engine, memory, node, labels);
    words.set(labels.map((_, image) => image));
  }
}

const sinusoidNodes = ({ shape }: NetworkMemory, of: 'time' | 'label'): NodeOf<'sinusoid'>[] =>
  shape.graph.nodes.filter((n): n is NodeOf<'sinusoid'> => n.op === 'sinusoid' && n.of === of);

function writeSinusoids(
  engine: Engine,
  memory: NetworkMemory,
  node: NodeOf<'sinusoid'>,
  positions: ArrayLike<number>,
  firstRow = 0,
): void {
  const channels = channelsOf(node.out);
  const table = sinusoids(positions, node, channels);
  const at = plusFloats(memory.kept.get(tableName(node.out.id))!, firstRow * channels);
  engine.floats(at, table.length).set(table);
}
