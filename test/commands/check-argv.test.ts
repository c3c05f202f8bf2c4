import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { checkArgv } from '../../src/commands/check-argv.js';
import type { Command } from '../../src/commands/command.js';
import { UsageError } from '../../src/errors.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

const command: Command = {
  name: 'paint',
  describe: 'Paint',
  positional: { name: 'canvas', describe: 'What on', optional: false },
  groups: {
    'Colours:': {
      hue: { describe: 'Hue', value: 'N' },
      mix: { describe: 'Mix', negatable: true },
      dry: { describe: 'Dry' },
    },
  },
  examples: [],
  load: () => Promise.reject(new Error('not called')),
};

const message = (...words: string[]): string => {
  try {
    checkArgv(command, words);
    return 'fine';
  } catch (error) {
    return error instanceof UsageError ? error.message : `threw ${String(error)}`;
  }
};

test('flags and the positional argument are accepted in any order and either form', (t) => {
  for (const words of [
    'wall',
    '--hue 3 wall',
    'wall --hue=3 --dry',
    '--no-mix wall --verbose',
    'wall --hue -5',
    'wall --hue -.5',
  ])
    t.is(message(...words.split(' ').filter(Boolean)), 'fine', words);
});

test('a value may look like anything but a flag', (t) => {
  t.is(message('--hue', '-1e-3', 'wall'), 'fine');
  t.is(message('--hue=--dry', 'wall'), 'fine');
  t.is(message('--hue', '--dry'), '--hue: expected N, got nothing');
});

test('an unexpected argument is named, with a suggestion', (t) => {
  t.is(message('--huee', '3'), '--huee: haze paint has no such flag (did you mean --hue?)');
  t.is(message('--no-dry'), '--no-dry: haze paint has no such flag');
  t.is(message('--no-mxi'), '--no-mxi: haze paint has no such flag (did you mean --no-mix?)');
  t.is(message('--transparency'), '--transparency: haze paint has no such flag');
  t.is(message('--__proto__'), '--__proto__: haze paint has no such flag');
  t.is(message('--'), '--: haze paint has no such flag');
  t.is(message('--dry'), '<canvas>: expected what on, got nothing');
  t.is(message('wall', 'door'), 'paint: unexpected word door');
  t.is(message('--hue=1', '--hue', '2'), '--hue: given twice');
  t.is(message('--mix', '--no-mix'), '--mix: given twice');
  t.is(message('--dry=1'), '--dry: takes no value, got 1');
});

test('a file whose name begins with - is refused with the spelling that works', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, '-a.png'), '');
  const noise = async (...words: string[]) => (await haze(folder, ['noise', ...words])).stderr;
  const no = 'haze noise has no such flag';
  t.is(await noise('-a.png'), `haze: -a.png: ${no} (did you mean ./-a.png?)\n`);
  t.is(await noise('--', '-a.png'), `haze: --: ${no} (did you mean ./-a.png?)\n`);
  t.is(await noise('-b.png'), `haze: -b.png: ${no}\n`);
  t.notRegex(await noise('./-a.png', '--out', 'b.png'), /flag/);
});

test("several files, e.g. from a shell's wildcard, are refused with a hint what to pass instead", async (t) => {
  const folder = await temporaryFolder(t);
  const files = ['a.png', 'b.png', 'c.png'].map((name) => join(folder, name));
  for (const file of files) await writeFile(file, '');
  const positional = { ...command.positional!, several: 'name the folder' };
  const check = (words: readonly string[]) => () => checkArgv({ ...command, positional }, words);
  t.throws(check([...files, '--dry']), {
    instanceOf: UsageError,
    message: /^<canvas>: expected one, got 3 such as .*; name the folder$/,
  });
  t.throws(check([files[0]!, 'wall']), { message: 'paint: unexpected word wall' });
  t.notThrows(check(files.slice(0, 1)));
});
