import { type Graph, inputsOf, type Node, type Value } from './graph.js';

/**
 * The layers whose weights Muon updates: convolutions and linear layers, except the first and the last one on images and the linear
 * layers that embed the timestep or label, whose results are read only by other layers on vectors.
 */
export function matrixLayers(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  const others = new Set<string>();
  const image = imageReaders(graph);
  const output = beforePixels(graph, graph.output);
  for (const node of graph.nodes) {
    if (node.op !== 'conv' && node.op !== 'linear') continue;
    const first = readsImage(graph, node.x);
    const last = node.out.id === output.id;
    const embeds = node.op === 'linear' && node.out.side === 0 && !image.has(node.out.id);
    (first || last || embeds ? others : names).add(node.layer.name);
  }
  for (const name of others) names.delete(name);
  return names;
}

const makerOf = ({ nodes }: Graph, { id }: Value): Node => nodes.find(({ out }) => out.id === id)!;

/** Whether a value is x_t, possibly scaled or as patches. */
function readsImage(graph: Graph, x: Value): boolean {
  const maker = makerOf(graph, x);
  if (maker.op === 'scale' || maker.op === 'patches') return readsImage(graph, maker.x);
  return maker.op === 'image';
}

/** The value that an image is laid out from, if it is made of patches. */
function beforePixels(graph: Graph, value: Value): Value {
  const maker = makerOf(graph, value);
  return maker.op === 'pixels' ? maker.x : value;
}

/** The vectors that operations on images read, directly or after an activation or dropout. */
function imageReaders({ nodes }: Graph): ReadonlySet<number> {
  const found = new Set<number>();
  for (const node of [...nodes].reverse()) {
    const passes = node.op === 'activation' || node.op === 'dropout';
    if (node.out.side === 0 && !(passes && found.has(node.out.id))) continue;
    for (const { id, side } of inputsOf(node)) if (side === 0) found.add(id);
  }
  return found;
}
