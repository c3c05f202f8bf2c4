import test from 'ava';
import { completeModel, type GivenModel } from '../../src/config/network-settings.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { hasZeros, initialState, withZeros } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';

/** The tensors that `withZeros` changes; all of them then are zero. */
function zeroed(given: GivenModel): string[] {
  const model = completeModel(given);
  const state = initialState(buildNetwork(model), new CounterRandom(1));
  const names = [...withZeros(state, model.kind)].flatMap(([name, { data }]) => {
    if (data === state.get(name)!.data) return [];
    return data.some((value) => value !== 0) ? [`${name} is not`] : [name];
  });
  return names.sort();
}

test('of a unet2d the weights of the last layers of its branches are zeros', (t) => {
  const names = zeroed({ kind: 'unet2d', size: 8, widths: [8, 16], layers: 1 });
  t.true(names.includes('conv_out.weight'));
  t.true(names.includes('mid_block.attentions.0.to_out.0.weight'));
  for (const name of names) t.regex(name, /(conv2|conv_out|to_out\.0)\.weight$/);
});

test('of a dit weights and biases of the modulations and of the last layer are zeros', (t) => {
  const layers = [0, 1].map((i) => `transformer_blocks.${i}.norm1.linear`);
  t.deepEqual(
    zeroed({ kind: 'dit', size: 8, widths: [8], depth: 2 }),
    ['proj_out_1', 'proj_out_2', ...layers].flatMap((name) => [`${name}.bias`, `${name}.weight`]),
  );
});

test('of a simple network nothing is', (t) => {
  t.false(hasZeros('simple'));
  t.deepEqual(zeroed({ kind: 'simple', size: 8, widths: [8, 16] }), []);
});
