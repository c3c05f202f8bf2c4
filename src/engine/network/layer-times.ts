/** Where the time of a U-Net's pass goes: the program that runs, each of its phases timed under its layer's name. */
import { attentionCosts, layerCosts } from '../../network/cost.js';
import type { Graph } from '../../network/graph.js';
import type { Phase, Program, Section } from '../program.js';
import type { LayerPass } from './convolve.js';
import type { WasmNetwork } from './wasm-network.js';

/** What kind of work a row is: of a layer, or of a kernel that belongs to none. */
export type TimedKind =
  | 'convolution'
  | 'linear'
  | 'norm'
  | 'activation'
  | 'attention'
  | 'time embedding'
  | 'loss'
  | 'optimizer'
  | 'copying and others';

export interface LayerTime {
  /** state_dict name, of layers that one kernel computes together `….to_q,to_k,to_v`; for what belongs to no layer, the kernel. */
  readonly layer: string;
  readonly kind: TimedKind;
  /** Of norms and attention `backward` is the gradients of parameters and input at once. */
  readonly pass: LayerPass | 'backward' | null;
  /**
   * `F(4,3)` and so on: Winograd's tiles; `dense`: a product of matrices; `+SiLU`: a norm and the activation behind it. Null
   * for others.
   */
  readonly algorithm: string | null;
  readonly ms: number;
  /** Of the direct sum, whatever the algorithm; null where nothing is multiplied. */
  readonly gflops: number | null;
  /**
   * Products of the convolution that the kernels have for those of the direct sum, before Winograd: 16/9 where a 3x3 convolution of
   * stride 2 is done as a 4x4 one, 4/9 behind an upsampling. Default 1.
   */
  readonly taps?: number;
}

/**
 * Milliseconds by layer and pass, in the order they run: each the median of `rounds` runs. The inputs must stand in the
 * U-Net's memory: predict or train before.
 */
export async function layerTimes(
  unet: WasmNetwork,
  kind: 'predict' | 'train',
  rounds: number,
): Promise<LayerTime[]> {
  if (kind === 'predict') await unet.prepare('running');
  const program = kind === 'predict' ? unet.predictSections() : unet.trainSections();
  const loaded = unet.engine.load(phaseByPhase(program));
  await unet.engine.run(loaded);
  const runs: Record<string, number>[] = [];
  for (let i = 0; i < rounds; i++) runs.push(await unet.engine.run(loaded));
  const { graph, batch } = unet.memory.shape;
  const costs = new Map<string, number>(layerCosts(graph).map((c) => [c.layer.name, c.forward]));
  for (const c of attentionCosts(graph)) costs.set(c.name, c.forward);
  const kinds = kindsOf(graph);
  const taps = tapsOf(graph);
  return Object.keys(runs[0]!).map((label) => {
    const ms = middle(runs.map((times) => times[label]!));
    const [names = label, pass, algorithm] = label.split(' ');
    const layers = names.split(',');
    const layer = layers[0]!;
    const cost = layers.reduce((sum, one) => sum + (costs.get(one) ?? 0), 0);
    const operations = cost * batch * timesForward(kinds.get(layer), pass);
    return {
      layer: shortened(layers),
      kind: kinds.get(layer) ?? KERNELS[layer] ?? 'copying and others',
      pass: (pass as LayerTime['pass'] | undefined) ?? null,
      algorithm: algorithm ?? null,
      ms,
      gflops: operations > 0 && ms > 0 ? operations / ms / 1e6 : null,
      ...(taps.has(layer) && { taps: taps.get(layer)! }),
    };
  });
}

/** Products of a pass over those of a forward pass. */
function timesForward(kind: TimedKind | undefined, pass: string | undefined): number {
  if (pass === 'both') return 2;
  // Its scores are not kept: they are computed again, and of each of both products there are two gradients.
  return kind === 'attention' && pass === 'backward' ? 2.5 : 1;
}

/** Where a layer's `LayerTime.taps` is not 1. */
function tapsOf({ nodes }: Graph): Map<string, number> {
  const upsampled = new Set(nodes.flatMap(({ op, out }) => (op === 'upsample' ? [out.id] : [])));
  return new Map(
    nodes.flatMap((node) => {
      if (node.op !== 'conv' || node.layer.kind !== 'conv' || node.layer.kernel !== 3) return [];
      if (upsampled.has(node.x.id)) return [[node.layer.name, 4 / 9] as const];
      return node.layer.stride === 2 ? [[node.layer.name, 16 / 9] as const] : [];
    }),
  );
}

/** `a.to_q,to_k`: what follows the first name is of the same parent. */
const shortened = ([first, ...others]: readonly string[]): string =>
  [first, ...others.map((other) => other.slice(other.lastIndexOf('.') + 1))].join();

const LAYERS = {
  conv: 'convolution',
  convTranspose: 'convolution',
  linear: 'linear',
  embedding: 'time embedding',
  batchNorm: 'norm',
  groupNorm: 'norm',
} as const satisfies Record<Graph['layers'][number]['kind'], TimedKind>;

/** What the time and the class go through on their way to the blocks: side by side, and too small to be told apart. */
const EMBEDDING = 'timeEmbedding';

/** Kernels that belong to no layer. */
const KERNELS: Readonly<Record<string, TimedKind>> = {
  [EMBEDDING]: 'time embedding',
  silu: 'activation',
  siluBackward: 'activation',
  relu: 'activation',
  reluBackward: 'activation',
  noiseLoss: 'loss',
  finishLoss: 'loss',
  adam: 'optimizer',
  adamW: 'optimizer',
  gradientNorm: 'optimizer',
  gradientClip: 'optimizer',
};

function kindsOf(graph: Graph): Map<string, TimedKind> {
  const kinds = new Map<string, TimedKind>(graph.layers.map((l) => [l.name, LAYERS[l.kind]]));
  for (const { name } of attentionCosts(graph)) kinds.set(name, 'attention');
  return kinds;
}

/** Sections of one phase each, named by what its calls are part of. */
function phaseByPhase(program: Program): Section[] {
  return program.flatMap(({ phases }) =>
    phases.map((phase) => ({ name: name(phase), phases: [phase] })),
  );
}

/** The label of a phase's calls; with the names of all layers, where several linear ones are computed in one phase. */
function name(phase: Phase): string {
  const [first] = phase;
  if (/time_mlp|time_emb|class_emb/.test(first?.label ?? '')) return EMBEDDING;
  if (first?.label === undefined) return first?.kernel ?? 'nothing';
  const [, ...rest] = first.label.split(' ');
  const same = phase.flatMap(({ label }) => {
    const [layer, ...others] = label?.split(' ') ?? [];
    return layer !== undefined && others.join() === rest.join() ? [layer] : [];
  });
  return [[...new Set(same)].join(), ...rest].join(' ');
}

const middle = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
