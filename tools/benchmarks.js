// `npm run benchmarks`: measures everything into docs/BENCHMARKS.md, first on a Node without wide vectors, then on one with
// them. `npm run benchmarks -- --node 24 --rounds 3` measures on one of them, with any flag of haze bench.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fetchNode } from './fetch-node.js';
import { build, fail, install, root } from './prepare.js';

const MAJORS = ['20', '24'];

const [flag, value, ...rest] = process.argv.slice(2);
const one = flag === '--node';
if (one && !MAJORS.includes(value)) fail(`--node: expected ${MAJORS.join(' or ')}, got ${value}`);
const flags = one ? rest : process.argv.slice(2);

install();
build({ always: true });
const script = join(root, 'dist', 'bench', 'benchmarks.js');
for (const major of one ? [value] : MAJORS) {
  const node = fetchNode(Number(major));
  console.log(`== Node ${major}`);
  const { status } = spawnSync(node, [script, ...flags], { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`Node ${major}: earlier measurements are kept`);
}
