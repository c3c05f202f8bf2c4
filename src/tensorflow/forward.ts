/** A network's forward pass, node by node, over any `Ops`. */
import type { Graph, Value } from '../network/graph.js';
import { divided } from './modulation.js';
import { compute, type Pass } from './operations.js';

/** The network's output, f32 [batch, size, size, channels]; the tape has then recorded the backward pass. */
export function forward<V>(graph: Graph, pass: Omit<Pass<V>, 'value' | 'parts'>): V {
  const values = new Map<number, V>();
  const divisions = new Map<number, readonly V[]>();
  const value = ({ id }: Value): V => values.get(id)!;
  const parts = (of: Value): readonly V[] => {
    const known = divisions.get(of.id) ?? divided(pass.tape, value(of), of.parts);
    divisions.set(of.id, known);
    return known;
  };
  const whole: Pass<V> = { ...pass, value, parts };
  for (const node of graph.nodes) values.set(node.out.id, compute(whole, node));
  return whole.value(graph.output);
}
