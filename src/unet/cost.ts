import { type Architecture, type Layer, layers, weightShape } from './architecture.js';
import { elements } from './state.js';

/** What a layer has and does for one image. */
export interface LayerCost {
  readonly layer: Layer;
  /** Side of its input and output in pixels; 0 for layers of the time embedding. */
  readonly inputSide: number;
  readonly outputSide: number;
  readonly parameters: number;
  /** Floating-point operations for one image, a multiply and an add being two. */
  readonly forward: number;
  /** Forward, weight gradient and, where anything below needs it, input gradient. */
  readonly training: number;
}

/**
 * Parameters and operations of each layer for images of `size` pixels square, in state_dict order.
 * Counted are convolutions and linear layers; norms, activations and sums are well below a hundredth of them.
 */
export function layerCosts(a: Architecture, size: number): LayerCost[] {
  return layers(a).map((layer) => {
    const [inputSide, outputSide] = sides(a, layer, size);
    const forward = forwardOperations(layer, inputSide, outputSide);
    const passes = NEEDS_NO_INPUT_GRADIENT.has(layer.name) ? 2 : 3;
    return {
      layer,
      inputSide,
      outputSide,
      parameters: elements(weightShape(layer)) + layer.outputs,
      forward,
      training: passes * forward,
    };
  });
}

/** Their inputs are the image and the sinusoid, which nothing trains. */
const NEEDS_NO_INPUT_GRADIENT = new Set(['conv0', 'time_mlp.1']);

function forwardOperations(layer: Layer, inputSide: number, outputSide: number): number {
  const perPosition = 2 * layer.inputs * layer.outputs * layer.kernel ** 2;
  switch (layer.kind) {
    case 'linear':
      return perPosition;
    case 'conv':
      return perPosition * outputSide ** 2;
    case 'convTranspose':
      return perPosition * inputSide ** 2;
    case 'batchNorm':
      return 0;
    default:
      return layer.kind satisfies never;
  }
}

/** [input, output] side of a layer: down stage i works at size / 2^i, up stage i at size / 2^(stages − i). */
function sides(a: Architecture, layer: Layer, size: number): [number, number] {
  if (layer.kind === 'linear') return [0, 0];
  const [group, index] = layer.name.split('.');
  const stages = a.widths.length - 1;
  if (group !== 'downs' && group !== 'ups') return [size, size];
  const side = size / 2 ** (group === 'downs' ? Number(index) : stages - Number(index));
  if (!layer.name.endsWith('.transform')) return [side, side];
  return [side, group === 'downs' ? side / 2 : side * 2];
}
