/**
 * Adam (Kingma and Ba, 2015) with PyTorch's placement of ε, by TensorFlow's fused operation, and AdamW's decoupled decay
 * (Loshchilov and Hutter, 2019). Step count and learning rate are variables, so that a step uploads no scalars.
 */
import type { Optimizer } from '../contracts/device.js';
import type { Block } from './blocks.js';
import { add, multiply } from './calls.js';
import { muonStep } from './muon.js';
import { bool, FLOAT, int, type Ops, one, scalar } from './ops.js';
import { MOMENT, RATE, STEP, type Store } from './variables.js';

/**
 * Counts a step and updates every block, by Muon or by Adam: θ ← θ − η·decay·θ, then θ ← θ − η·m̂/(√v̂ + ε). The fused operation adds its
 * ε to the uncorrected √v; with both bias corrections cᵢ = 1 − βᵢᵗ moved into its rate, η·√c₂/c₁, and its ε, ε·√c₂,
 * that is the same update.
 */
export function adamStep<V>(
  store: Store<V>,
  { beta1, beta2, epsilon, decay, clip, muon }: Optimizer,
  blocks: readonly Block[],
  gradientOf: (block: Block) => V,
): void {
  const { ops } = store;
  const step = add(ops, store.read(STEP.name), scalar(ops, 1));
  store.assign(STEP.name, step);
  const eta = store.read(RATE.name);
  const root = one(ops, 'Sqrt', [correction(ops, step, beta2)]);
  const rate = one(ops, 'RealDiv', [multiply(ops, eta, root), correction(ops, step, beta1)]);
  const noPower = scalar(ops, 0);
  const fixed = [
    ...[noPower, noPower, rate, scalar(ops, beta1), scalar(ops, beta2)],
    multiply(ops, root, scalar(ops, epsilon)),
  ];
  const attributes = { T: FLOAT, use_locking: bool(false), use_nesterov: bool(false) };
  const gradient = clip === null ? gradientOf : clipped(ops, blocks, gradientOf, clip);
  const decayRate = decay === 0 ? undefined : multiply(ops, eta, scalar(ops, decay));
  for (const block of blocks) {
    const { name } = block;
    const towards = gradient(block);
    if (muon && block.matrix) {
      const muonRate = ops.after(multiply(ops, eta, scalar(ops, muon.ratio)), [towards]);
      muonStep(store, muon, block, block.matrix, towards, muonRate);
      continue;
    }
    // Only once the gradient is there: until then the pass reads the parameters, and a change would copy them.
    if (decayRate !== undefined)
      store.subtract(name, multiply(ops, store.read(name), ops.after(decayRate, [towards])));
    const state = ['', MOMENT.m, MOMENT.v].map((prefix) => store.handle(prefix + name));
    ops.op('ResourceApplyAdam', [...state, ...fixed, towards], attributes, 0);
  }
}

/** Gradients scaled so that their global norm is at most `limit`, like PyTorch's `clip_grad_norm_`. */
function clipped<V>(
  ops: Ops<V>,
  blocks: readonly Block[],
  gradient: (block: Block) => V,
  limit: number,
): (block: Block) => V {
  const halves = blocks.map((block) => one(ops, 'L2Loss', [gradient(block)]));
  const half = one(ops, 'AddN', halves, { T: FLOAT, N: int(halves.length) });
  const norm = one(ops, 'Sqrt', [multiply(ops, half, scalar(ops, 2))]);
  const ratio = one(ops, 'RealDiv', [scalar(ops, limit), add(ops, norm, scalar(ops, 1e-6))]);
  const factor = one(ops, 'Minimum', [ratio, scalar(ops, 1)]);
  return (block) => multiply(ops, gradient(block), factor);
}

/** 1 − βᵗ as −expm1(t·ln β), which keeps f32's precision in the first steps, where βᵗ is close to 1. */
function correction<V>(ops: Ops<V>, step: V, beta: number): V {
  const power = multiply(ops, step, scalar(ops, Math.log(beta)));
  return one(ops, 'Neg', [one(ops, 'Expm1', [power])]);
}
