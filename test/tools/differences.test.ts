import test from 'ava';

type Differences = (bits: Record<string, Record<string, string>>) => string[];
const tools = new URL('../../../tools/differences.js', import.meta.url).href;

test('a hash that differs between versions of Node is listed for each version', async (t) => {
  const { differences } = (await import(tools)) as { differences: Differences };
  t.deepEqual(
    differences({ v20: { model: 'a', image: 'b' }, v22: { model: 'a', image: 'b' } }),
    [],
  );
  t.deepEqual(differences({ v20: { model: 'a', image: 'b' }, v22: { model: 'a', image: 'c' } }), [
    'other bits: image: v20 b, v22 c',
  ]);
  t.deepEqual(differences({ v20: { model: 'a' }, v22: {} }), [
    'other bits: model: v20 a, v22 none',
  ]);
});
