import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { from, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';
import { shell } from '../helpers/limits.js';

const SCRIPT = fileURLToPath(new URL('../helpers/out-of-files.js', import.meta.url));

const POOL = new URL('../../src/data/decode-pool.js', import.meta.url).href;

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux(
  'images that cannot be opened since descriptors have run out are no skipped files',
  async (t) => {
    const folder = await temporaryFolder(t);
    for (let i = 0; i < 4; i++)
      await writeFile(join(folder, `${i}.png`), await from(slopes(9, 7), 9, 7).png().toBuffer());
    const { stdout, stderr } = await shell('.', 'ulimit -n 80 && exec "$@"', [
      process.execPath,
      SCRIPT,
      folder,
    ]);
    const [skipped, error] = stdout.split('\n');
    t.is(skipped, '0 skipped', stderr);
    t.regex(error!, /^RunError: cannot read .*\d\.png: too many open files \(ulimit -n is 80\)$/);
  },
);

onLinux(
  'a pool whose workers cannot start is a one-line error, not the end of the process',
  async (t) => {
    const gone = join(await temporaryFolder(t), 'gone');
    await mkdir(gone);
    const program = `
    import { rmdirSync } from 'node:fs';
    import { DecodePool } from '${POOL}';
    process.chdir(${JSON.stringify(gone)});
    rmdirSync(process.cwd());
    const pool = await DecodePool.open({ size: 8, channels: 3, fit: 'squash' }, 2);
    const item = () => ({ kind: 'file', path: '/none.png' });
    await pool.decode({ count: 1000, item, out: null }).catch(({ name, message }) => console.log(name, message));
    await pool.close();
  `;
    const args = ['--input-type=module', '-e', program];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    t.regex(
      stdout,
      /^RunError a worker that decodes images was lost: the current folder was deleted\n$/,
      stderr,
    );
  },
);
