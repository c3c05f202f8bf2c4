import type { Graph } from '../../src/network/graph.js';
import { parameters } from '../../src/network/parameters.js';

/** Muon's step in f64, written as in its paper: on rows of numbers, with the outputs as rows. */

type Rows = Float64Array<ArrayBufferLike>[];

const product = (a: Rows, b: Rows): Rows =>
  a.map((row) => {
    const out = new Float64Array(b[0]!.length);
    row.forEach((value, i) => {
      b[i]!.forEach((other, j) => {
        out[j]! += value * other;
      });
    });
    return out;
  });

const turned = (a: Rows): Rows =>
  Array.from(a[0]!, (_, j) => Float64Array.from(a, (row) => row[j]!));

/** Five steps of Newton-Schulz from M/(‖M‖ + 1e-7). */
export function orthogonal(matrix: Rows): Rows {
  const norm = Math.sqrt(matrix.reduce((sum, row) => sum + row.reduce((s, v) => s + v * v, 0), 0));
  let x: Rows = matrix.map((row) => row.map((v) => v / (norm + 1e-7)));
  const flat = x.length > x[0]!.length;
  if (flat) x = turned(x);
  for (let i = 0; i < 5; i++) {
    const q = product(x, turned(x));
    const q2 = product(q, q);
    const by = q.map((row, r) => row.map((v, c) => -4.775 * v + 2.0315 * q2[r]![c]!));
    const moved = product(by, x);
    x = x.map((row, r) => row.map((v, c) => 3.4445 * v + moved[r]![c]!));
  }
  return flat ? turned(x) : x;
}

/** A weight in PyTorch's layout as [outputs, inputs·kernel²] and back. */
export function asMatrix(graph: Graph, name: string, data: ArrayLike<number>) {
  const { shape } = parameters(graph).find((p) => p.name === name)!;
  const layer = graph.layers.find((l) => `${l.name}.weight` === name)!;
  const transposed = layer.kind === 'convTranspose';
  const [first, second] = shape as [number, number];
  const [outputs, inputs] = transposed ? [second, first] : [first, second];
  const taps = data.length / (outputs * inputs);
  const at = (o: number, i: number, tap: number) =>
    (transposed ? i * outputs + o : o * inputs + i) * taps + tap;
  const rows = Array.from({ length: outputs }, (_, o) =>
    Float64Array.from(
      { length: inputs * taps },
      (_, j) => data[at(o, Math.floor(j / taps), j % taps)]!,
    ),
  );
  const back = (matrix: Rows): Float64Array => {
    const out = new Float64Array(data.length);
    matrix.forEach((row, o) => {
      row.forEach((v, j) => {
        out[at(o, Math.floor(j / taps), j % taps)] = v;
      });
    });
    return out;
  };
  return { rows, back };
}

/** Moves a weight and its momentum. */
export function muonReference(
  graph: Graph,
  name: string,
  value: Float64Array,
  momentum: Float64Array,
  gradient: Float64Array,
  rate: number,
  mu: number,
): void {
  const u = gradient.map((g, i) => {
    momentum[i] = mu * momentum[i]! + (1 - mu) * g;
    return mu * momentum[i]! + (1 - mu) * g;
  });
  const { rows, back } = asMatrix(graph, name, u);
  const scale = Math.sqrt(Math.max(1, rows.length / rows[0]!.length));
  back(orthogonal(rows)).forEach((v, i) => {
    value[i]! -= rate * scale * v;
  });
}
