import { ShapeError } from '../errors.js';
import { inputsOf, type Node, type Value } from './graph.js';

/** The vectors whose parts scale, shift or gate images. */

/** The parts of the vector `by` that a node reads; none for a node that reads it whole. */
function partsRead(node: Node): readonly number[] {
  if (node.op === 'adaNorm') return [node.shift, node.scale];
  return node.op === 'gate' ? [node.gate] : [];
}

/**
 * Devices write the gradient of such a vector part by part, so each part must have one reader, on which the output depends, and the
 * whole none. @throws ShapeError
 */
export function checkModulations(nodes: readonly Node[], output: Value): void {
  const vectors = new Map<number, Value>();
  for (const node of nodes)
    if (node.op === 'adaNorm' || node.op === 'gate') vectors.set(node.by.id, node.by);
  const read = new Map([...vectors.keys()].map((id) => [id, new Set<number>()]));
  const needed = new Set([output.id]);
  for (const node of [...nodes].reverse()) {
    if (!needed.has(node.out.id)) continue;
    for (const { id } of inputsOf(node)) {
      needed.add(id);
      const known = read.get(id);
      if (!known) continue;
      const parts = 'by' in node && node.by.id === id ? partsRead(node) : [];
      if (parts.length === 0)
        throw new ShapeError(`${node.op}: reads a vector whose parts modulate others`);
      for (const part of parts) {
        if (known.has(part))
          throw new ShapeError(`${node.op}: part ${part} of a vector is read twice`);
        known.add(part);
      }
    }
  }
  for (const [id, { parts }] of vectors)
    for (const part of parts.keys())
      if (!read.get(id)!.has(part))
        throw new ShapeError(`modulation: the output does not depend on part ${part} of a vector`);
}
