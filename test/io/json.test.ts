import test from 'ava';
import { parseJson, show } from '../../src/io/json.js';

const LIMITS = { depth: 3, names: 4 };

test('valid JSON is parsed like by JSON.parse', (t) => {
  for (const text of [
    '{"a":{"b":[1,2]},"c":"\\"}{[","d":null}',
    '{"a":"b","b":{"a":1}}',
    ' [ "a" , "a" ] ',
    '{"a\\\\":1,"a":2}',
    '"a"',
    '5',
  ])
    t.deepEqual(parseJson(text, LIMITS), JSON.parse(text), text);
});

test('an object with a name twice is refused, however the name is written', (t) => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061" : 2}',
    '[{"b":{"a":1,"c":{},"a":2}}]'.slice(1, -1),
    '[{"a":1,"a":2}]',
    '{"\\"":1,"\\u0022":2}',
  ])
    t.throws(
      () => parseJson(text, LIMITS),
      { instanceOf: SyntaxError, message: /appears twice/ },
      text,
    );
});

test('the same name in different objects is accepted', (t) => {
  t.deepEqual(parseJson('{"a":{"a":1},"b":{"a":1}}', LIMITS), { a: { a: 1 }, b: { a: 1 } });
});

test('nesting depth and number of names are limited', (t) => {
  t.deepEqual(parseJson('[[[1]]]', LIMITS), [[[1]]]);
  t.throws(() => parseJson('[[[[1]]]]', LIMITS), { message: 'nested deeper than 3 levels' });
  t.throws(() => parseJson('[{"a":1,"b":2},{"a":1,"b":2,"c":3}]', LIMITS), {
    message: 'more than 4 names',
  });
});

test('malformed JSON is a SyntaxError', (t) => {
  for (const text of [
    '',
    '{',
    '}',
    '"',
    '"\\',
    '{"a":1,}',
    '{"a" "b"}',
    '"a":1',
    '{"a\u0001":1}',
    ']:"a":',
  ])
    t.throws(() => parseJson(text, LIMITS), { instanceOf: SyntaxError }, JSON.stringify(text));
});

test('values are shown short, quoted and without control characters', (t) => {
  t.is(show('a\u001b'), '"a\\u001b"');
  t.is(show(undefined), 'undefined');
  t.is(show([1, 2]), '[1,2]');
  t.is(show('x'.repeat(1000)).length, 100);
});

test('a value that is nested deeper than the stack is shown as such', (t) => {
  let value: unknown = 1;
  for (let i = 0; i < 100_000; i++) value = [value];
  // V8 14 writes it without recursion.
  const shown = show(value);
  t.true(shown === 'a value that nests too deep' || /^\[{90,}\.\.\.$/.test(shown), shown);
});

test('an error in a text is reported in one line, whatever the text contains', (t) => {
  const error = t.throws(() => parseJson('{"a":\u0000\n\u001b[31m\n}', LIMITS), {
    instanceOf: SyntaxError,
  });
  // Control characters, of which a new line is one.
  t.notRegex(error.message, /\p{Cc}/u);
});
