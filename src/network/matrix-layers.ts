import { type Graph, inputsOf, type Value } from './graph.js';

/**
 * The layers whose weights Muon updates: convolutions and linear layers, except the first and the last convolution and the linear
 * layers that embed the timestep or label, whose results are read only by other layers on vectors.
 */
export function matrixLayers(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  const others = new Set<string>();
  const image = imageReaders(graph);
  for (const node of graph.nodes) {
    if (node.op !== 'conv' && node.op !== 'linear') continue;
    const first = node.op === 'conv' && readsImage(graph, node.x);
    const last = node.out.id === graph.output.id;
    const embeds = node.op === 'linear' && node.out.side === 0 && !image.has(node.out.id);
    (first || last || embeds ? others : names).add(node.layer.name);
  }
  for (const name of others) names.delete(name);
  return names;
}

/** Whether a value is x_t, possibly scaled. */
function readsImage({ nodes }: Graph, x: Value): boolean {
  const maker = nodes.find(({ out }) => out.id === x.id);
  return (
    maker?.op === 'image' || (maker?.op === 'scale' && readsImage({ nodes } as Graph, maker.x))
  );
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
