import test from 'ava';
import { element, picture, scaleFromZero, tickText, words } from '../../src/io/svg.js';

test('text and attributes are escaped, and numbers have only visible digits', (t) => {
  t.is(words('a < b & "c"', 1 / 3, 2), '<text x="0.33" y="2">a &lt; b &amp; &quot;c&quot;</text>');
  t.is(element('rect', { fill: '"><script>' }), '<rect fill="&quot;&gt;&lt;script&gt;"/>');
});

test('a picture has a size, a description and a white background', (t) => {
  const svg = picture(30, 20, 'a & b', element('g', {}, words('c', 0, 0)));
  t.regex(
    svg,
    /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="30" height="20" viewBox="0 0 30 20" /,
  );
  t.true(svg.includes('<title>a &amp; b</title><rect width="30" height="20" fill="white"/>'));
  t.true(svg.endsWith('<g><text x="0" y="0">c</text></g></svg>'));
});

test('an axis begins at zero on either side, and ends at a round number on request', (t) => {
  const above = scaleFromZero({ values: [3, 9.7], range: [0, 100], count: 5 });
  t.deepEqual(above.ticks, [0, 2, 4, 6, 8]);
  t.deepEqual([above.at(0), above.at(9.7)], [0, 100]);
  const round = scaleFromZero({ values: [3, 9.7], range: [100, 0], count: 5, nice: true });
  t.deepEqual([round.at(0), round.at(5), round.at(10)], [100, 50, 0]);
  const both = scaleFromZero({ values: [-1, 3], range: [0, 100], count: 4 });
  t.deepEqual([both.at(-1), both.at(0), both.at(3)], [0, 25, 100]);
});

test('an axis without values, or with zeros only, has a length', (t) => {
  for (const values of [[], [0, 0]]) {
    const { at, ticks } = scaleFromZero({ values, range: [0, 10], count: 5, nice: true });
    t.is(at(0), 0);
    t.deepEqual([ticks[0], ticks.at(-1)], [0, 1]);
  }
});

test('ticks are formatted for reading', (t) => {
  t.deepEqual([0, 0.25, 0.3, 12_000, -2, 3e-7, 2.5e12].map(tickText), [
    ...['0', '0.25', '0.3', '12,000', '-2', '3e-7', '2.5e+12'],
  ]);
});
