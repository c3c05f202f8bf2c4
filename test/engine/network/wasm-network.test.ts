import test, { type ExecutionContext } from 'ava';
import type { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import type { StateDict } from '../../../src/network/state.js';
import { close, values } from '../../helpers/kernels.js';
import {
  type FixtureName,
  type NetworkFixture,
  readFixture,
  SIMPLE_FIXTURES,
  VARIANT_FIXTURES,
} from '../../helpers/network-fixture.js';
import { sameState, unetOf } from '../../helpers/unet.js';

/*
 * The U-Net against PyTorch's values. Both sum in f32 and in different orders, and Winograd's transforms add some 4e-5
 * of a layer's typical output; measured differences are given with each tolerance.
 */

/** ε̂ is about 1. In training a batch of a few images divides by small deviations, which magnifies errors. */
const EVALUATED = { atol: 2e-5, rtol: 0 };
const TRAINED = { atol: 1e-4, rtol: 0 };
/** Batch means and variances (about 1), of which a tenth goes into the running ones. */
const STATISTICS = { atol: 2e-6, rtol: 1e-5 };

const FIXTURES: readonly FixtureName[] = [...SIMPLE_FIXTURES, ...VARIANT_FIXTURES];

for (const name of FIXTURES)
  for (const strict of [true, false]) {
    const title = (what: string) => `${name} (${strict ? 'strict' : 'relaxed'}): ${what}`;
    const load = async (t: ExecutionContext, training = true) => {
      const f = await readFixture(name);
      const unet = unetOf(t, { ...f, strict, training });
      await unet.importState(f.state0);
      return { f, unet };
    };

    test(title('ε̂ in evaluation and with batch statistics'), async (t) => {
      for (const training of [true, false]) {
        const { f, unet } = await load(t, training);
        // The weights' first use in either mode, then the modes in turn: none leaves anything behind for the next.
        for (const mode of ['batch', 'running', 'batch', 'running'] as const) {
          const running = mode === 'running';
          const expected = running ? f.evaluated : f.trained;
          const what = `ε̂ (${mode}, ${training ? 'with' : 'without'} training)`;
          close(t, await unet.predict(f.input, mode), expected, {
            ...(running ? EVALUATED : TRAINED),
            what,
          });
        }
        sameState(t, await unet.exportState(), f.state0, 'after predictions');
      }
    });

    test(title('loss, ε̂ and gradients in training'), async (t) => {
      const { f, unet } = await load(t);
      const got = await unet.gradients(f.input, f.target);
      const { xt } = f.input;
      close(t, [got.loss], [f.losses[0]!], { rtol: 1e-5, what: 'loss' });
      close(t, got.epsilon, f.trained, { ...TRAINED, what: 'ε̂' });
      t.deepEqual([...got.gradients.keys()].sort(), [...f.gradients.keys()].sort());
      checkBuffers(t, f, await unet.exportState());
      // Where a ReLU's input or a residual is within rounding of zero, two right passes may take different sides of the
      // kink: one of a few inputs a rounding apart has to take the reference's.
      let apart = differing(got.gradients, f);
      for (let attempt = 1; apart.length > 0 && attempt <= 8; attempt++) {
        const moved = values(xt.length, attempt).map((v, i) => xt[i]! * (1 + 2e-6 * v));
        apart = differing((await unet.gradients({ ...f.input, xt: moved }, f.target)).gradients, f);
      }
      t.deepEqual(apart, []);
    });

    test(title('losses and parameters through steps of Adam'), async (t) => {
      const { f, unet } = await load(t);
      for (const [step, expected] of f.losses.entries()) {
        const got = await unet.trainStep(f.input, f.target, 1e-3);
        // Later losses inherit parameters whose gradient is within rounding of zero: Adam moves them either way.
        close(t, [got], [expected], { rtol: [1e-5, 1e-3][step] ?? 5e-3, what: `losses[${step}]` });
        if (step === 0) await checkFirstStep(t, f, unet);
      }
    });
  }

/** Names and places of gradients that are not the fixture's. */
function differing(got: StateDict, f: NetworkFixture): string[] {
  const list: string[] = [];
  for (const [parameter, { data }] of f.gradients) {
    const expected = data as Float32Array;
    const atol = gradientTolerance(expected);
    const found = floats(got, parameter);
    const at = found.findIndex((v, i) => !(Math.abs(v - expected[i]!) <= atol));
    if (at >= 0) list.push(`${parameter}[${at}]: expected ${expected[at]}, got ${found[at]}`);
  }
  return list;
}

/** The errors of a sum whose terms cancel go with its largest terms; a ReLU at rounding's distance of zero adds one. */
function gradientTolerance(expected: Float32Array): number {
  return 1e-7 + 1e-3 * expected.reduce((largest, g) => Math.max(largest, Math.abs(g)), 0);
}

/** Adam's first step is lr · g/(|g| + 1e-8): lr · sign(g) but where the sign is in doubt, which are few. */
async function checkFirstStep(
  t: ExecutionContext,
  f: NetworkFixture,
  unet: WasmNetwork,
): Promise<void> {
  const state = await unet.exportState();
  for (const [parameter, { data }] of f.gradients) {
    const doubt = gradientTolerance(data as Float32Array);
    const [got, expected] = [floats(state, parameter), floats(f.state1, parameter)];
    for (const [i, g] of (data as Float32Array).entries()) {
      const slack = Math.abs(g) <= doubt ? 2e-3 : (1e-8 / Math.abs(g)) * 2e-3;
      const atol = slack + 2e-7 * Math.max(1, Math.abs(expected[i]!));
      if (!(Math.abs(got[i]! - expected[i]!) <= atol))
        t.fail(`${parameter}[${i}] after a step: expected ${expected[i]}, got ${got[i]}`);
    }
  }
  checkBuffers(t, f, state);
}

/** Running statistics and counts after one pass in training mode. */
function checkBuffers(t: ExecutionContext, f: NetworkFixture, state: StateDict): void {
  t.deepEqual([...state.keys()].sort(), [...f.state1.keys()].sort());
  for (const [name, expected] of f.state1)
    if (/running_(mean|var)$/.test(name))
      close(t, floats(state, name), expected.data as Float32Array, { ...STATISTICS, what: name });
    else if (expected.dtype === 'I64') t.deepEqual(state.get(name)?.data, expected.data, name);
}

const floats = (state: StateDict, name: string) => state.get(name)!.data as Float32Array;
