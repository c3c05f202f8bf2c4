import { close, eachBuild, values } from '../helpers/kernels.js';

const ROWS = 64;

eachBuild(
  'muonMomentum updates the momentum and writes the Nesterov momentum as a matrix, for either orientation',
  (t, bench) => {
    for (const [k, panels, clip] of [
      [3, 1, undefined],
      [70, 2, 0.25],
    ] as const)
      for (const turned of [false, true]) {
        bench.reset();
        const outputs = 8 * panels;
        const [m, g] = [values(k * outputs, 1), values(k * outputs, 2)];
        const items = panels * Math.ceil(k / ROWS);
        const [x, partial] = [bench.alloc(4 * k * outputs), bench.alloc(8 * items)];
        const factor = clip === undefined ? bench.alloc(0) : bench.put(Float32Array.of(clip));
        const at = bench.put(m, 4);
        const strides = turned ? ([1, k] as const) : ([outputs, 1] as const);
        const none = 0 as typeof factor;
        const args = [
          x,
          partial,
          at,
          bench.put(g),
          0.95,
          clip ? factor : none,
          k,
          ...strides,
        ] as const;
        bench.run('muonMomentum', args, items);
        const u = new Float64Array(k * outputs);
        const mean = m.map((value, i) => 0.95 * value + 0.05 * g[i]! * (clip ?? 1));
        for (let i = 0; i < k * outputs; i++) {
          const [panel, row, lane] = [Math.floor(i / 8 / k), Math.floor(i / 8) % k, i % 8];
          const place = row * strides[0] + (8 * panel + lane) * strides[1];
          u[place] = 0.95 * mean[i]! + 0.05 * g[i]! * (clip ?? 1);
        }
        // Two roundings of values below 1.
        close(t, bench.f32(at, k * outputs), mean, { atol: 2e-7, what: 'momentum' });
        close(t, bench.f32(x, k * outputs), u, { atol: 4e-7, what: 'x' });
        const sum = bench.f64(partial, items).reduce((a, b) => a + b, 0);
        close(t, [sum], [u.reduce((a, b) => a + b * b, 0)], { rtol: 1e-6, what: 'squares' });
      }
  },
);

eachBuild('muonGram mirrors blocks of columns, and divides by the norm', (t, bench) => {
  for (const n of [8, 64, 72, 136]) {
    bench.reset();
    const groups = 2;
    const part = values(groups * n * n, n);
    const entry = (group: number, i: number, j: number) =>
      part[group * n * n + Math.min(i, j) * n + Math.max(i, j)]!;
    const products: number[] = [];
    for (let first = 0; first < n; first += 64)
      for (let group = 0; group < groups; group++)
        for (let column = first; column < Math.min(n, first + 64); column += 8)
          for (let row = 0; row < Math.min(n, first + 64); row++)
            for (let lane = 0; lane < 8; lane++) products.push(entry(group, row, column + lane));
    const squares = Float64Array.of(3, 6);
    const partial = bench.put(new Uint8Array(squares.buffer));
    const [rows, panels] = [bench.alloc(4 * n * n), bench.alloc(4 * n * n)];
    const from = bench.put(Float32Array.from(products));
    bench.run('muonGram', [rows, panels, from, groups, n, partial, 2], n);
    const scale = 1 / (3 + 1e-7) ** 2;
    const expected = Float64Array.from(
      { length: n * n },
      (_, at) =>
        scale * (entry(0, Math.floor(at / n), at % n) + entry(1, Math.floor(at / n), at % n)),
    );
    close(t, bench.f32(rows, n * n), expected, { atol: 1e-7, what: `rows ${n}` });
    const [byRow, byPanel] = [bench.f32(rows, n * n), bench.f32(panels, n * n)];
    t.true(
      byPanel.every((v, at) => {
        const [panel, row] = [Math.floor(at / 8 / n), Math.floor(at / 8) % n];
        return v === byRow[row * n + 8 * panel + (at % 8)];
      }),
    );
  }
});

eachBuild(
  'muonPolynomial is a·I + b·A + c·A², and muonUpdate subtracts X from the weights',
  (t, bench) => {
    const [n, k] = [16, 70];
    const [a, squares] = [values(n * n, 1), values(n * n, 2)];
    const panels = bench.put(a);
    const none = 0 as typeof panels;
    bench.run('muonPolynomial', [panels, bench.put(squares), n, none, 0], n / 8);
    const polynomial = a.map((value, at) => {
      const [panel, row, lane] = [Math.floor(at / 8 / n), Math.floor(at / 8) % n, at % 8];
      const same = row === 8 * panel + lane ? 3.4445 : 0;
      return same - 4.775 * value + 2.0315 * squares[row * n + 8 * panel + lane]!;
    });
    close(t, bench.f32(panels, n * n), polynomial, { atol: 2e-6 });

    for (const turned of [false, true]) {
      const [p, x] = [values(k * n, 3), values(k * n, 4)];
      const strides = turned ? ([1, k] as const) : ([n, 1] as const);
      const at = bench.put(p, 4);
      const rate = bench.put(Float32Array.of(0.25));
      const items = (n / 8) * Math.ceil(k / ROWS);
      bench.run('muonUpdate', [at, bench.put(x), rate, 2, k, ...strides], items);
      const expected = p.map((value, i) => {
        const [panel, row, lane] = [Math.floor(i / 8 / k), Math.floor(i / 8) % k, i % 8];
        return value - 0.5 * x[row * strides[0] + (8 * panel + lane) * strides[1]]!;
      });
      t.deepEqual(bench.f32(at, k * n), expected);
    }
  },
);
