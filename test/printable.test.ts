import { spawnSync } from 'node:child_process';
import test from 'ava';
import { printable, printableJson, printableLines } from '../src/printable.js';
import { shellWord } from '../src/shell-word.js';

test('characters that control a terminal, end a line or reverse text are made visible', (t) => {
  t.is(printable('a\u001b[2J\nb\r\tc\u007f\u009b'), 'a\\x1b[2J\\nb\\r\\tc\\x7f\\x9b');
  t.is(printable('x\u202egnp.exe\u2028'), 'x\\u202egnp.exe\\u2028');
  const plain = 'größer · 車 🚗 c:\\new';
  t.is(printable(plain), plain);
  t.is(printableLines('a\u001b\nb'), 'a\\x1b\nb');
});

test('printable JSON has the same value', (t) => {
  const value = { 'a\u009b': 'b\u007f\u202e\n\u001b', c: ['🚗'] };
  const json = printableJson(JSON.stringify(value, null, 2));
  t.notRegex(json.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
  t.deepEqual(JSON.parse(json), value);
});

test('a shell reads a quoted word back unchanged', (t) => {
  t.is(shellWord('runs/1'), 'runs/1');
  t.is(shellWord("it's"), `'it'\\''s'`);
  const words = ['', "a'b", 'a b', '\\', "\u001b[2J'\\n", 'a\nb\tc', 'ü\u202ex', '$(date)'];
  for (const word of words) t.is(printable(shellWord(word)), shellWord(word));
  if (spawnSync('bash', ['-c', 'true']).error) return;
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  for (const word of words) {
    const { stdout } = spawnSync('bash', ['-c', `printf %s ${shellWord(word)}`], { env });
    t.is(stdout.toString(), word);
  }
});
