/**
 * Adam (Kingma and Ba, 2015) with PyTorch's placement of ε, by TensorFlow's fused operation, and AdamW's decoupled decay
 * (Loshchilov and Hutter, 2019). Step count and learning rate are variables, so that a step uploads no scalars.
 */
import type { Optimizer } from '../contracts/device.js';
import { add, multiply } from './calls.js';
import { muonStep } from './muon.js';
import { bool, FLOAT, int, type Ops, one, scalar } from './ops.js';
import { RATE, STEP, type Store, type Variable } from './variables.js';

/** A weight that Muon updates. */
export interface Matrix {
  /** Whether it belongs to a transposed convolution. */
  readonly transposed: boolean;
}

/**
 * Counts a step and updates every parameter, those in `matrices` by Muon if the optimizer has it, the others by Adam: θ ← θ − η·decay·θ, then θ ← θ − η·m̂/(√v̂ + ε). The fused operation adds its
 * ε to the uncorrected √v; with both bias corrections cᵢ = 1 − βᵢᵗ moved into its rate, η·√c₂/c₁, and its ε, ε·√c₂,
 * that is the same update.
 */
export function adamStep<V>(
  store: Store<V>,
  { beta1, beta2, epsilon, decay, clip, muon }: Optimizer,
  parameters: readonly Variable[],
  matrices: ReadonlyMap<string, Matrix>,
  gradientOf: (name: string) => V,
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
  const names = parameters.map(({ name }) => name);
  const gradient = clip === null ? gradientOf : clipped(ops, names, gradientOf, clip);
  const decayRate = decay === 0 ? undefined : multiply(ops, eta, scalar(ops, decay));
  for (const variable of parameters) {
    const { name } = variable;
    const towards = gradient(name);
    const matrix = muon && matrices.get(name);
    if (matrix) {
      const muonRate = ops.after(multiply(ops, eta, scalar(ops, muon.ratio)), [towards]);
      muonStep(store, muon, variable, matrix.transposed, towards, muonRate);
      continue;
    }
    // Only once the gradient is there: until then the pass reads the parameter, and a change would copy it.
    if (decayRate !== undefined)
      store.subtract(name, multiply(ops, store.read(name), ops.after(decayRate, [towards])));
    const state = [name, `adam/m/${name}`, `adam/v/${name}`].map((n) => store.handle(n));
    ops.op('ResourceApplyAdam', [...state, ...fixed, towards], attributes, 0);
  }
}

/** Gradients scaled so that their global norm is at most `limit`, like PyTorch's `clip_grad_norm_`. */
function clipped<V>(
  ops: Ops<V>,
  names: readonly string[],
  gradient: (name: string) => V,
  limit: number,
): (name: string) => V {
  const halves = names.map((name) => one(ops, 'L2Loss', [gradient(name)]));
  const half = one(ops, 'AddN', halves, { T: FLOAT, N: int(halves.length) });
  const norm = one(ops, 'Sqrt', [multiply(ops, half, scalar(ops, 2))]);
  const ratio = one(ops, 'RealDiv', [scalar(ops, limit), add(ops, norm, scalar(ops, 1e-6))]);
  const factor = one(ops, 'Minimum', [ratio, scalar(ops, 1)]);
  return (name) => multiply(ops, gradient(name), factor);
}

/** 1 − βᵗ as −expm1(t·ln β), which keeps f32's precision in the first steps, where βᵗ is close to 1. */
function correction<V>(ops: Ops<V>, step: V, beta: number): V {
  const power = multiply(ops, step, scalar(ops, Math.log(beta)));
  return one(ops, 'Neg', [one(ops, 'Expm1', [power])]);
}
