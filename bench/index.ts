/** `npm run bench -- [what] [flags]`: the same as `haze bench`, all subjects by default. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const { status } = spawnSync(process.execPath, [cli, 'bench', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
