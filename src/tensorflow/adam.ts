/**
 * Adam (Kingma and Ba, 2015) with PyTorch's defaults and PyTorch's place for ε, by TensorFlow's fused
 * operation. Step count and learning rate are variables, so that a step uploads no scalar.
 */
import { bool, FLOAT, type Ops, one, scalar } from './ops.js';
import { RATE, STEP, type Store, type Variable } from './variables.js';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/**
 * Counts a step and updates every parameter: θ ← θ − η·m̂/(√v̂ + ε). The fused operation adds its ε to the
 * uncorrected √v; with both bias corrections cᵢ = 1 − βᵢᵗ moved into its rate, η·√c₂/c₁, and its ε, ε·√c₂,
 * that is the same update.
 */
export function adamStep<V>(
  store: Store<V>,
  parameters: readonly Variable[],
  gradient: (name: string) => V,
): void {
  const { ops } = store;
  const step = one(ops, 'AddV2', [store.read(STEP.name), scalar(ops, 1)]);
  store.assign(STEP.name, step);
  const root = one(ops, 'Sqrt', [correction(ops, step, BETA2)]);
  const scaled = one(ops, 'Mul', [store.read(RATE.name), root]);
  const rate = one(ops, 'RealDiv', [scaled, correction(ops, step, BETA1)]);
  const epsilon = one(ops, 'Mul', [root, scalar(ops, EPSILON)]);
  const noPower = scalar(ops, 0);
  const fixed = [noPower, noPower, rate, scalar(ops, BETA1), scalar(ops, BETA2), epsilon];
  const attributes = { T: FLOAT, use_locking: bool(false), use_nesterov: bool(false) };
  for (const { name } of parameters) {
    const state = [name, `adam/m/${name}`, `adam/v/${name}`].map((n) => store.handle(n));
    ops.op('ResourceApplyAdam', [...state, ...fixed, gradient(name)], attributes, 0);
  }
}

/** 1 − βᵗ as −expm1(t·ln β), which keeps f32's precision in the first steps, where βᵗ is close to 1. */
function correction<V>(ops: Ops<V>, step: V, beta: number): V {
  const power = one(ops, 'Mul', [step, scalar(ops, Math.log(beta))]);
  return one(ops, 'Neg', [one(ops, 'Expm1', [power])]);
}
