import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { from, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';
import { shell } from '../helpers/limits.js';

const SCRIPT = fileURLToPath(new URL('../helpers/out-of-files.js', import.meta.url));

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
