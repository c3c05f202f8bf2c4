import { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { barLine, openProgress, type ProgressStream } from '../../src/commands/progress.js';

const ESC = '\u001b';
/** Sequences that drive a terminal, ends of lines, and text. */
const PARTS = new RegExp(`${ESC}\\[\\??[\\d;]*[A-Za-z]|${ESC}[78]|\\r|\\n|[^${ESC}\\r\\n]+`, 'g');

/** As much of a terminal as the bar uses: a cursor that is moved, saved and restored over lines of text. */
class Terminal extends Writable {
  readonly isTTY = true;
  readonly columns: number;
  readonly lines: string[] = [''];
  private row = 0;
  private column = 0;
  private saved: readonly [number, number] = [0, 0];

  constructor(columns = 100) {
    super();
    this.columns = columns;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const part of String(chunk).match(PARTS) ?? []) this.take(part);
    done();
  }

  private take(part: string): void {
    if (part === '\n') this.newLine();
    else if (part === '\r' || part === '\u001b[1G') this.column = 0;
    else if (part === '\u001b7') this.saved = [this.row, this.column];
    else if (part === '\u001b8') [this.row, this.column] = this.saved;
    else if (part === '\u001b[2K') this.lines[this.row] = '';
    else if (part === '\u001b[0K' || part === '\u001b[K')
      this.lines[this.row] = this.lines[this.row]!.slice(0, this.column);
    else if (!part.startsWith('\u001b')) this.print(part);
  }

  private newLine(): void {
    this.row++;
    this.column = 0;
    this.lines[this.row] ??= '';
  }

  private print(text: string): void {
    const line = this.lines[this.row]!.padEnd(this.column);
    this.lines[this.row] =
      line.slice(0, this.column) + text + line.slice(this.column + text.length);
    this.column += text.length;
  }
}

test('on a terminal no line is lost, during or after a progress bar', (t) => {
  const terminal = new Terminal();
  const progress = openProgress('step', terminal as unknown as ProgressStream, 'xterm');
  progress.line('before');
  progress.update(1, 9, 'loss 0.5');
  progress.line('one');
  progress.update(2, 9, 'loss 0.4');
  progress.line('two');
  progress.aside('samples 3/300');
  progress.update(9, 9, 'loss 0.3');
  progress.stop();
  terminal.write('after\n');
  const lines = terminal.lines.map((line) => line.trimEnd()).filter((line) => line !== '');
  t.deepEqual(
    lines.filter((line) => !line.startsWith('step ')),
    ['before', 'one', 'two', 'after'],
  );
  t.is(
    lines.findIndex((line) => line.startsWith('step 9/9')),
    3,
  );
});

test('without a terminal, plain lines are printed, including the first and the last', (t) => {
  let text = '';
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += String(chunk);
      done();
    },
  });
  const progress = openProgress('image', stream);
  for (let i = 1; i <= 5; i++) progress.update(i, 5, '');
  for (let i = 1; i <= 9; i++) progress.aside(`samples ${i}/9`);
  progress.line('a name with \u001b[2J in it');
  progress.stop();
  t.is(text, 'image 1/5\nimage 5/5\na name with \\x1b[2J in it\n');
});

test('a dumb terminal gets the plain lines of a pipe', (t) => {
  const terminal = new Terminal();
  const written: string[] = [];
  terminal.write = (text: string) => written.push(text) > 0;
  const progress = openProgress('image', terminal as unknown as ProgressStream, 'dumb');
  progress.update(1, 2, '');
  progress.line('between');
  progress.update(2, 2, '');
  progress.stop();
  t.deepEqual(written, ['image 1/2\n', 'between\n', 'image 2/2\n']);
});

test('without a terminal the end is printed once, however often it is reported', (t) => {
  let written = '';
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written += String(chunk);
      done();
    },
  });
  const progress = openProgress('MB', stream as unknown as ProgressStream);
  for (const done of [0, 5, 9, 9, 9]) progress.update(done, 9, '');
  progress.stop();
  progress.update(9, 9, '');
  t.is(written, 'MB 0/9\nMB 9/9\nMB 9/9\n');
});

test('On a terminal the remaining time counts unfinished work too', async (t) => {
  const terminal = new Terminal();
  const progress = openProgress('image', terminal as unknown as ProgressStream, 'xterm');
  progress.update(0, 8, '', 0);
  await setTimeout(20);
  progress.update(0, 8, '', 2);
  progress.stop();
  t.regex(terminal.lines.join('\n'), /image 0\/8 .* \d:\d\d left/);
});

test('on 80 columns a line ends with the remaining time, and parts that do not fit are left out', async (t) => {
  const terminal = new Terminal(80);
  const progress = openProgress('step', terminal as unknown as ProgressStream, 'xterm');
  const text = 'epoch 117 · loss 0.1234 · 43.3 images/s';
  progress.update(12_000, 99_999, text);
  await setTimeout(20);
  progress.update(12_345, 99_999, text);
  progress.stop();
  const drawn = terminal.lines.find((line) => line.includes('12345/99999'))!.trimEnd();
  t.true(drawn.length < 80, drawn);
  t.regex(drawn, /^step 12345\/99999 \[=+-+\] epoch 117 · loss 0\.1234.* · [\d:]+ left$/);
});

test('on a narrow terminal the bar is shortened first, then the text', (t) => {
  const text = 'epoch 117 · loss 0.1234 · 43.3 images/s';
  const line = (columns: number) => barLine('step 5/10', 0.5, text, '1:02:03 left', columns);
  t.is(line(120), `step 5/10 [============------------] ${text} · 1:02:03 left`);
  t.is(line(80), `step 5/10 [======------] ${text} · 1:02:03 left`);
  for (let columns = 30; columns < 130; columns++) {
    t.true(line(columns).length < columns, line(columns));
    t.true(line(columns).endsWith('1:02:03 left'));
  }
  t.is(barLine('image 1/2', 0.5, '', '', 80), 'image 1/2 [============------------] ');
});
