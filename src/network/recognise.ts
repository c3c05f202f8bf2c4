import { UsageError } from '../errors.js';
import { buildNetwork, type NetworkConfig } from './network.js';
import { stateShapes } from './parameters.js';
import type { SimpleConfig } from './simple.js';

/*
 * Weights say what network they belong to: the network is read off the shapes of a state dict,
 * and then every tensor is held against it.
 */

/** Shapes by name, as a file's header gives them. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * The network of a state dict. How many batches a norm has seen may be missing: PyTorch before 0.4.1 did not save it,
 * and nothing is computed with it.
 * @throws UsageError naming the first tensor that is missing, has another shape, or does not belong.
 */
export function networkFromShapes(shapes: Shapes): NetworkConfig {
  const config = guessSimple(shapes);
  const expected = stateShapes(buildNetwork(config));
  for (const [name, shape] of expected) {
    if (name.endsWith('.num_batches_tracked') && !shapes.has(name)) continue;
    const got = dimensions(shapes, name, shape.length);
    if (got.some((size, axis) => size !== shape[axis]))
      throw new UsageError(`${name}: expected the shape ${show(shape)}, got ${show(got)}`);
  }
  for (const name of shapes.keys())
    if (!expected.has(name)) throw new UsageError(`${name}: no such tensor in this U-Net`);
  return config;
}

/** The network that conv0, the down stages and the time embedding claim. */
function guessSimple(shapes: Shapes): SimpleConfig {
  const [first, channels] = dimensions(shapes, 'conv0.weight', 4);
  const widths = [first!];
  for (let i = 0; i === 0 || shapes.has(`downs.${i}.conv1.weight`); i++)
    widths.push(dimensions(shapes, `downs.${i}.conv1.weight`, 4)[0]!);
  const [timeDim] = dimensions(shapes, 'time_mlp.1.weight', 2);
  if (channels !== 1 && channels !== 3)
    throw new UsageError(`conv0.weight: expected 1 or 3 image channels, got ${channels}`);
  const norm = shapes.has('downs.0.bnorm.weight') ? 'shared' : 'separate';
  return { kind: 'simple', widths, channels, timeDim: timeDim!, norm };
}

/** The shape of a tensor that must be there and have `rank` dimensions. */
function dimensions(shapes: Shapes, name: string, rank: number): readonly number[] {
  const shape = shapes.get(name);
  if (!shape) throw new UsageError(`${name}: expected a tensor of this name, got none`);
  if (shape.length !== rank)
    throw new UsageError(`${name}: expected ${rank} dimensions, got the shape ${show(shape)}`);
  return shape;
}

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
