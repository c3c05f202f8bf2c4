import { UsageError } from '../errors.js';
import { type Architecture, checkArchitecture, layers, weightShape } from './architecture.js';

/*
 * Weights say what network they belong to: the architecture is read off the shapes of a state dict,
 * and then every tensor is held against it.
 */

/** Shapes by name, as a file's header gives them. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Every tensor of the state dict, parameters and buffers, in PyTorch's order and layouts. */
export function stateShapes(a: Architecture): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const layer of layers(a)) {
    shapes.set(`${layer.name}.weight`, weightShape(layer));
    shapes.set(`${layer.name}.bias`, [layer.outputs]);
    if (layer.kind !== 'batchNorm') continue;
    shapes.set(`${layer.name}.running_mean`, [layer.outputs]);
    shapes.set(`${layer.name}.running_var`, [layer.outputs]);
    shapes.set(`${layer.name}.num_batches_tracked`, []);
  }
  return shapes;
}

/**
 * The architecture of a state dict. How many batches a norm has seen may be missing: PyTorch before 0.4.1 did not save it,
 * and nothing is computed with it.
 * @throws UsageError naming the first tensor that is missing, has another shape, or does not belong.
 */
export function architectureFromShapes(shapes: Shapes): Architecture {
  const architecture = guess(shapes);
  checkArchitecture(architecture);
  const expected = stateShapes(architecture);
  for (const [name, shape] of expected) {
    if (name.endsWith('.num_batches_tracked') && !shapes.has(name)) continue;
    const got = dimensions(shapes, name, shape.length);
    if (got.some((size, axis) => size !== shape[axis]))
      throw new UsageError(`${name}: expected the shape ${show(shape)}, got ${show(got)}`);
  }
  for (const name of shapes.keys())
    if (!expected.has(name)) throw new UsageError(`${name}: no such tensor in this U-Net`);
  return architecture;
}

/** The architecture that conv0, the down stages and the time embedding claim. */
function guess(shapes: Shapes): Architecture {
  const [first, channels] = dimensions(shapes, 'conv0.weight', 4);
  const widths = [first!];
  for (let i = 0; i === 0 || shapes.has(`downs.${i}.conv1.weight`); i++)
    widths.push(dimensions(shapes, `downs.${i}.conv1.weight`, 4)[0]!);
  const [timeDim] = dimensions(shapes, 'time_mlp.1.weight', 2);
  if (channels !== 1 && channels !== 3)
    throw new UsageError(`conv0.weight: expected 1 or 3 image channels, got ${channels}`);
  const norm = shapes.has('downs.0.bnorm.weight') ? 'shared' : 'separate';
  return { widths, channels, timeDim: timeDim!, norm };
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
