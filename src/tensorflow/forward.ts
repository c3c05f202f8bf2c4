/** A network's forward pass, node by node, over any `Ops`. */
import type { Graph } from '../network/graph.js';
import { compute, type Pass } from './operations.js';

/** The network's output, f32 [batch, size, size, channels]; the tape has then recorded the backward pass. */
export function forward<V>(graph: Graph, pass: Omit<Pass<V>, 'value'>): V {
  const values = new Map<number, V>();
  const whole: Pass<V> = { ...pass, value: ({ id }) => values.get(id)! };
  for (const node of graph.nodes) values.set(node.out.id, compute(whole, node));
  return whole.value(graph.output);
}
