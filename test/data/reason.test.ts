import test from 'ava';
import { reasonOf } from '../../src/data/reason.js';

test("the decoder's message is one line without its beginning, and does not end in a colon", (t) => {
  for (const [message, expected] of [
    ['Input buffer contains unsupported image format', 'unsupported image format'],
    [
      'Input buffer has corrupt header: \npngload: bad size\nmore',
      'corrupt header: pngload: bad size',
    ],
    ['Input buffer has corrupt header: ', 'corrupt header'],
    ['Input file has corrupt header: gifload: cut off\n', 'corrupt header: gifload: cut off'],
    ['', ''],
  ] as const)
    t.is(reasonOf(new Error(message)), expected);
});
