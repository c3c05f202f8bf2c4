// `npm run benchmarks`: measures everything into docs/BENCHMARKS.md, first on a Node without wide vectors, then on one with
// them. `npm run benchmarks -- --node 24 --rounds 3` measures on one of them, with any flag of haze bench, and `npm run benchmarks --
// --torch-256` with PyTorch limited to 256 bits, as on a processor without AVX-512.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fetchNode } from './fetch-node.js';
import { build, fail, install, root } from './prepare.js';

const MAJORS = ['20', '24'];

const LIMIT = '--torch-256';

/** Of ATen's own kernels, of oneDNN's and of MKL's. */
const LIMITS = {
  ATEN_CPU_CAPABILITY: 'avx2',
  ONEDNN_MAX_CPU_ISA: 'AVX2',
  MKL_ENABLE_INSTRUCTIONS: 'AVX2',
};

const given = process.argv.slice(2);
const env = { ...process.env, ...(given.includes(LIMIT) && LIMITS) };
const words = given.filter((word) => word !== LIMIT);
const [flag, value, ...rest] = words;
const one = flag === '--node';
if (one && !MAJORS.includes(value))
  fail(`--node: expected ${MAJORS.join(' or ')}, got ${value}`, 2);
const flags = one ? rest : words;

install();
build({ always: true });
const script = join(root, 'dist', 'bench', 'benchmarks.js');
for (const major of one ? [value] : MAJORS) {
  const node = fetchNode(Number(major));
  console.log(`== Node ${major}`);
  const { status } = spawnSync(node, [script, ...flags], { cwd: root, env, stdio: 'inherit' });
  if (status !== 0) fail(`Node ${major}: earlier measurements are kept`);
}
