import { tuple } from '../../src/engine/program.js';
import { Channels } from '../helpers/channels.js';
import { bits, close, eachSplit, values } from '../helpers/kernels.js';

const CLASSES = 5;

for (const { parts, gap, labels } of [
  { parts: [8], gap: 0, labels: [3] },
  { parts: [13], gap: 8, labels: [4, 0, 4, 2, 4, 0, 4] },
  { parts: [40], gap: 16, labels: [1, 1, 1, 1] },
]) {
  const vector = new Channels(parts, 0);
  const rows = vector.apart(gap);
  const { real, padded } = vector;
  const title = `${labels.length} labels of ${CLASSES} and ${real} channels`;

  eachSplit(`embeddingForward gives the row of each label: ${title}`, (t, bench) => {
    const table = values(CLASSES * real, 1);
    const out = bench.put(new Float32Array(labels.length * rows.stride).fill(42));
    const at = bench.put(vector.spread(table), 4);
    const args = tuple(out, rows.stride, at, bench.put(Uint32Array.from(labels)), padded);
    bench.run('embeddingForward', args, labels.length);
    const got = rows.gather(t, bench.f32(out, labels.length * rows.stride));
    const expected = labels.flatMap((label) => [...table.slice(label * real, (label + 1) * real)]);
    t.deepEqual(bits(got), bits(Float32Array.from(expected)));
    return [got];
  });

  eachSplit(`embeddingBackward sums the rows of each label: ${title}`, (t, bench) => {
    const gradient = values(labels.length * real, 2);
    const dtable = bench.put(new Float32Array(CLASSES * padded + 4).fill(42));
    const dout = bench.put(rows.spread(gradient), 8);
    const at = bench.put(Uint32Array.from(labels));
    bench.run('embeddingBackward', [dtable, dout, rows.stride, at, labels.length, padded], CLASSES);
    const all = bench.f32(dtable, CLASSES * padded + 4);
    t.deepEqual([...all.slice(-4)], [42, 42, 42, 42]);
    const got = vector.gather(t, all.slice(0, -4));
    const expected = new Float64Array(CLASSES * real);
    for (const [image, label] of labels.entries())
      for (let c = 0; c < real; c++) expected[label * real + c]! += gradient[image * real + c]!;
    // At most seven terms below 1, each sum of them rounded.
    close(t, got, expected, { atol: 7 * 4 * 2 ** -24 });
    return [got];
  });
}
