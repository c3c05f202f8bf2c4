import test from 'ava';
import { ARENA } from '../../src/engine/control.js';
import { planLayout as newLayout, planPrograms as newPrograms } from '../../src/engine/network/plan.js';
import type { Argument, Program } from '../../src/engine/program.js';
import { planLayout as oldLayout, planPrograms as oldPrograms } from '../../src/engine/unet/plan.js';
import type { NetworkConfig } from '../../src/network/network.js';

const CASES: { architecture: NetworkConfig; size: number; batch: number }[] = [
  ...[8, 128, 1].map((batch) => ({
    architecture: { kind: 'simple', widths: [64, 128, 256, 512, 1024], channels: 3, timeDim: 32, norm: 'separate' } as const,
    size: 64,
    batch,
  })),
  { architecture: { kind: 'simple', widths: [32, 64, 128, 256], channels: 3, timeDim: 32, norm: 'separate' }, size: 32, batch: 64 },
  { architecture: { kind: 'simple', widths: [16, 32, 64, 128], channels: 3, timeDim: 32, norm: 'separate' }, size: 32, batch: 32 },
  { architecture: { kind: 'simple', widths: [5, 7, 11], channels: 1, timeDim: 6, norm: 'shared' }, size: 16, batch: 3 },
];

const shape = (a: Argument): unknown =>
  typeof a === 'number' ? (a >= ARENA ? 'address' : a) : Object.keys(a).join();
const lines = (program: Program): string[] =>
  program.flatMap(({ name, phases }) => [
    `section ${name}`,
    ...phases.filter((p) => p.length > 0).flatMap((phase) => [
      '--',
      ...phase.map((c) => `${c.kernel}(${c.args.map(shape)}) ${c.items} ${c.grain ?? ''} ${c.label ?? ''}`),
    ]),
  ]);

for (const { architecture, size, batch } of CASES)
  for (const training of [true, false])
    test(`${architecture.widths} ${size} ${batch} ${training}`, (t) => {
      const options = { architecture, size, batch, timesteps: 300, threads: 2, training };
      const old = oldLayout(options);
      const now = newLayout(options);
      const expected = oldPrograms(options, old.memory);
      const got = newPrograms(options, now.memory);
      for (const [name, program] of expected) {
        const [a, b] = [lines(got.get(name)!), lines(program)];
        const first = b.findIndex((line, i) => a[i] !== line);
        t.is(a.slice(first, first + 8).join('\n'), b.slice(first, first + 8).join('\n'), name);
        t.is(a.length, b.length, name);
      }
      t.true(now.arena.size <= old.arena.size, 'memory');
    });
