import {
  DENSE_GRADIENT_SCRATCH,
  DENSE_PANELS,
  DENSE_ROWS,
  MUON_ROWS,
} from '../../../assembly/constants.js';
import type { Muon } from '../../contracts/device.js';
import { matrixLayers } from '../../network/matrix-layers.js';
import { MATRIX_WORDS } from '../abi.js';
import { NULL, type Pointer, plusFloats } from '../pointer.js';
import { type Address, type Call, call, type Phase, tuple } from '../program.js';
import { RATES, trainingMemory } from './memory.js';
import type { LayerAddresses } from './parameters.js';
import type { Walk } from './walk.js';

/**
 * Muon's step as kernel calls (assembly/muon.ts has the formulas). One worker computes a small matrix in one call, in its own
 * scratch and cache. All workers share the products of a larger one, in scratch that overlaps the activations.
 */

const ITERATIONS = 5;

/** Floats of the largest matrix that one worker computes: 5 MB with its products. */
const WHOLE_FLOATS = 1 << 19;

/** Groups of X's rows, whose products are added up at the end: enough items to share out; and the fewest rows of a group. */
const GROUPS = 4;
const GROUP_ROWS = 64;

/** Columns in a block of A; only blocks up to the diagonal are computed. */
const BLOCK = 64;

/** One layer's weights as a matrix. */
interface Matrix {
  readonly weight: number;
  /** Weights per output: inputs·kernel². */
  readonly k: number;
  readonly outputs: number;
  /** X has n columns and m rows; n is the smaller. */
  readonly n: number;
  readonly m: number;
  /** Outputs and weights per output, without padding. */
  readonly realOutputs: number;
  readonly realPlaces: number;
}

function matrixOf({ layer, weight, inputs, outputs }: LayerAddresses): Matrix {
  if (layer.kind !== 'linear' && layer.kind !== 'conv' && layer.kind !== 'convTranspose')
    throw new TypeError(`${layer.name} has no matrix`);
  const taps = layer.kind === 'linear' ? 1 : layer.kernel ** 2;
  const k = taps * inputs;
  const [n, m] = outputs <= k ? [outputs, k] : [k, outputs];
  return { weight, k, outputs, n, m, realOutputs: layer.outputs, realPlaces: layer.inputs * taps };
}

/** The matrices of a network, in state_dict order. */
function matricesOf({ memory }: Walk): Matrix[] {
  const names = matrixLayers(memory.shape.graph);
  return [...memory.layout.layers.values()]
    .filter(({ layer }) => names.has(layer.name))
    .map(matrixOf);
}

/** The parameters that are not matrices, as ranges of floats. */
export function otherRanges(walk: Walk): { readonly first: number; readonly floats: number }[] {
  const ranges: { first: number; floats: number }[] = [];
  let first = 0;
  const upTo = (end: number) => {
    if (end > first) ranges.push({ first, floats: end - first });
  };
  for (const { weight, k, outputs } of matricesOf(walk)) {
    upTo(weight);
    first = weight + k * outputs;
  }
  upTo(walk.memory.layout.floats);
  return ranges;
}

/**
 * Updates all matrices.
 * @param gradients the gradient to use
 * @param clip address of its clip factor, or null
 */
export function muonPhases(walk: Walk, muon: Muon, gradients: Pointer, clip: Pointer): Phase[] {
  walk.moment++;
  const matrices = matricesOf(walk);
  const isSmall = (matrix: Matrix) => sizeOf(matrix) <= WHOLE_FLOATS;
  // The largest first, so that nobody waits for one at the end.
  const small = matrices.filter(isSmall).sort((a, b) => sizeOf(b) - sizeOf(a));
  const whole = small.length > 0 ? [[wholeCall(walk, small, muon, gradients, clip)]] : [];
  const large = matrices.filter((matrix) => !isSmall(matrix));
  return [...whole, ...large.flatMap((matrix) => step(walk, matrix, muon, gradients, clip))];
}

const sizeOf = ({ k, outputs }: Matrix): number => k * outputs;

/** Floats of scratch for the products of a matrix. */
const productScratch = (n: number): number =>
  Math.max(DENSE_ROWS * (n + 8), DENSE_GRADIENT_SCRATCH);

/** Items of the passes over a weight. */
const itemsOf = ({ outputs, k }: Matrix): number => (outputs / 8) * Math.ceil(k / MUON_ROWS);

/** Floats of scratch for a matrix that one worker computes. */
function muonScratch(matrix: Matrix): number {
  const { m, n } = matrix;
  const square = n * n;
  return (
    16 + 2 * itemsOf(matrix) + 2 * m * n + (groupsOf(m).groups + 2) * square + productScratch(n)
  );
}

function wholeCall(
  walk: Walk,
  matrices: readonly Matrix[],
  { momentum }: Muon,
  gradients: Pointer,
  clip: Pointer,
): Call {
  const { regions, rates } = trainingMemory(walk.memory);
  const words = matrices.flatMap((matrix) => {
    const of: Record<(typeof MATRIX_WORDS)[number], number> = {
      ...matrix,
      group: groupsOf(matrix.m).group,
    };
    return MATRIX_WORDS.map((word) => of[word]);
  });
  const scratch = walk.worker(4 * Math.max(...matrices.map(muonScratch)));
  const table = walk.words(Int32Array.from(words));
  const { weights, training } = regions;
  const rate = plusFloats(rates, RATES.muon);
  const args = [weights, training.m, gradients, table, rate, momentum, clip, scratch] as const;
  return call('muonMatrices', args, matrices.length);
}

/** The step of a matrix whose products all workers share. */
function step(
  walk: Walk,
  matrix: Matrix,
  { momentum }: Muon,
  gradients: Pointer,
  clip: Pointer,
): Phase[] {
  const { weight, k, outputs, n, m, realOutputs, realPlaces } = matrix;
  const scale = Math.sqrt(Math.max(1, realOutputs / realPlaces));
  const { regions, rates } = trainingMemory(walk.memory);
  const items = itemsOf(matrix);
  walk.moment++;
  const floats = (part: string, count: number) => walk.floats(`muon ${weight} ${part}`, count);
  const work: Work = {
    ...{ n, m },
    x: floats('x', m * n),
    y: floats('y', m * n),
    products: floats('products', Math.max(n * n, groupsOf(m).groups * n * n)),
    rows: floats('rows', n * n),
    panels: floats('panels', n * n),
    scratch: walk.worker(4 * productScratch(n)),
  };
  const partial = floats('squares', 2 * items);
  const strides = outputs <= k ? tuple(n, 1) : tuple(1, n);
  const at = (region: Pointer) => plusFloats(region, weight);
  const { weights, training } = regions;
  const take = [at(training.m), at(gradients), momentum, clip, k, ...strides] as const;
  const phases: Phase[] = [[call('muonMomentum', [work.x, partial, ...take], items)]];
  let { x, y } = work;
  for (let i = 0; i < ITERATIONS; i++) {
    phases.push(...iteration({ ...work, x, y }, i === 0 ? partial : NULL, items));
    [x, y] = [y, x];
  }
  const rate = plusFloats(rates, RATES.muon);
  const put = [at(weights), x, rate, scale, k, ...strides] as const;
  return [...phases, [call('muonUpdate', put, items)]];
}

/** The addresses of one matrix. */
interface Work {
  readonly n: number;
  readonly m: number;
  /** X, and where the next one is written. */
  readonly x: Pointer;
  readonly y: Pointer;
  readonly products: Pointer;
  readonly rows: Pointer;
  readonly panels: Pointer;
  readonly scratch: Address;
}

/** y = x·(a·I + b·A + c·A²); `partial` if x still has to be divided by its norm. */
function iteration(
  { n, m, x, y, products, rows, panels, scratch }: Work,
  partial: Pointer,
  parts: number,
): Phase[] {
  const { groups } = groupsOf(m);
  const multiply = (to: Pointer, from: Pointer, by: Pointer, count: number): Call => {
    const operands = tuple(to, n, NULL, 0, from, n, by, NULL, count, n, n / 8, 0, scratch);
    const items = Math.ceil(count / DENSE_ROWS) * Math.ceil(n / 8 / DENSE_PANELS);
    return call('denseBlocks', operands, items);
  };
  return [
    gramProducts(n, m, x, products, scratch),
    [call('muonGram', [rows, panels, products, groups, n, partial, parts], n)],
    [multiply(products, rows, panels, n)],
    [call('muonPolynomial', [panels, products, n, partial, parts], n / 8)],
    [multiply(y, x, panels, m)],
  ];
}

/** How X's rows are divided: a function of their number alone. */
function groupsOf(m: number): { readonly group: number; readonly groups: number } {
  const group = Math.ceil(m / Math.max(1, Math.min(GROUPS, Math.floor(m / GROUP_ROWS))));
  return { group, groups: Math.ceil(m / group) };
}

/** Xᵀ·X by blocks of columns, each with the rows up to its own: `muonGram` mirrors them. */
function gramProducts(n: number, m: number, x: Pointer, to: Pointer, scratch: Address): Phase {
  const { group, groups } = groupsOf(m);
  const calls: Call[] = [];
  let at = 0;
  for (let first = 0; first < n; first += BLOCK) {
    const inputs = Math.min(n, first + BLOCK);
    const panels = Math.min(BLOCK, n - first) / 8;
    const items = groups * Math.ceil(inputs / 128);
    const operands = tuple(x, n, plusFloats(x, first), n, m, inputs, panels, group, scratch);
    calls.push(call('denseWeightsBlocks', [plusFloats(to, at), ...operands], items));
    at += groups * panels * inputs * 8;
  }
  return calls;
}
