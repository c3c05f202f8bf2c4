/** Where the time of a U-Net's pass goes: the actual program, each phase timed under its layer's name. */
import { attentionCosts, layerCosts } from '../../network/cost.js';
import type { Graph } from '../../network/graph.js';
import type { Phase, Program, Section } from '../program.js';
import type { LayerPass } from './convolve.js';
import { DERIVED_TAPS, kindOf } from './layer-weights.js';
import { fuse } from './steps.js';
import { trafficOf } from './traffic.js';
import type { WasmNetwork } from './wasm-network.js';

/** The kind of a row: of a layer, or of a kernel that belongs to none. */
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
  /** state_dict name (`….to_q,to_k,to_v` for layers that one kernel computes together); the kernel for calls without a layer. */
  readonly layer: string;
  readonly kind: TimedKind;
  /** For norms and attention, `backward` is the gradients of parameters and input together. */
  readonly pass: LayerPass | 'backward' | null;
  /**
   * `F(4,3)` and so on: Winograd's tiles; `dense`: a matrix product; `+SiLU`: a norm fused with the activation after it. Null
   * for others.
   */
  readonly algorithm: string | null;
  readonly ms: number;
  /** Of direct convolution, whatever the algorithm; null if nothing is multiplied. */
  readonly gflops: number | null;
  /**
   * The kernels' products per product of direct convolution, before Winograd: 16/9 if a 3x3 convolution of
   * stride 2 is computed as a 4x4 one, 4/9 after an upsampling. Default 1.
   */
  readonly taps?: number;
  /**
   * Bytes of the tensors that the row's kernels read and write, each as often as they pass over it. Null if something is
   * multiplied, since products use what they load many times, or if nothing large is moved.
   */
  readonly bytes: number | null;
}

/**
 * Milliseconds by layer and pass, in execution order: each the median of `rounds` runs. The U-Net's memory must hold
 * inputs: predict or train before.
 */
export async function layerTimes(
  unet: WasmNetwork,
  kind: 'predict' | 'train',
  rounds: number,
): Promise<LayerTime[]> {
  if (kind === 'predict') await unet.prepare('running');
  const program = kind === 'predict' ? unet.predictSections() : unet.trainSections();
  const sections = phaseByPhase(program);
  const loaded = unet.engine.load(sections);
  await unet.engine.run(loaded);
  const runs: Record<string, number>[] = [];
  for (let i = 0; i < rounds; i++) runs.push(await unet.engine.run(loaded));
  const { graph, batch } = unet.memory.shape;
  const costs = new Map<string, number>(layerCosts(graph).map((c) => [c.layer.name, c.forward]));
  for (const c of attentionCosts(graph)) costs.set(c.name, c.forward);
  const kinds = kindsOf(graph);
  const taps = tapsOf(graph);
  const traffic = trafficBySection(sections);
  return Object.keys(runs[0]!).map((label) => {
    const ms = middle(runs.map((times) => times[label]!));
    const [names = label, pass, algorithm] = label.split(' ');
    const layers = names.split(',');
    const layer = layers[0]!;
    const cost = layers.reduce((sum, one) => sum + (costs.get(one) ?? 0), 0);
    const operations = cost * batch * timesForward(kinds.get(layer), pass);
    const bytes = traffic.get(label)!;
    return {
      layer: shortened(layers),
      kind: kinds.get(layer) ?? KERNELS[layer] ?? 'copying and others',
      pass: (pass as LayerTime['pass'] | undefined) ?? null,
      algorithm: algorithm ?? null,
      ms,
      gflops: operations > 0 && ms > 0 ? operations / ms / 1e6 : null,
      ...(taps.has(layer) && { taps: taps.get(layer)! }),
      bytes: operations > 0 || bytes === 0 ? null : bytes,
    };
  });
}

/** Products of a pass relative to those of a forward pass. */
function timesForward(kind: TimedKind | undefined, pass: string | undefined): number {
  if (pass === 'both') return 2;
  // Its scores are recomputed, and each of its two products has two gradients.
  return kind === 'attention' && pass === 'backward' ? 2.5 : 1;
}

/** The layers whose `LayerTime.taps` is not 1. */
const tapsOf = (graph: Graph): Map<string, number> =>
  new Map(
    fuse(graph).flatMap((step) => {
      const derived = step.op === 'convolve' ? kindOf(step).derived : undefined;
      return step.op === 'convolve' && derived
        ? [[step.layer.name, DERIVED_TAPS[derived]] as const]
        : [];
    }),
  );

/** `a.to_q,to_k`: further names have the first one's parent. */
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

/** The layers of the time and class embedding, and a dit's modulations: they run side by side, and are too small to tell apart. */
const EMBEDDING = 'timeEmbedding';

/** Kernels that belong to no layer. */
const KERNELS: Readonly<Record<string, TimedKind>> = {
  [EMBEDDING]: 'time embedding',
  adaNorm: 'norm',
  adaNormBackward: 'norm',
  gelu: 'activation',
  geluBackward: 'activation',
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

/** Sections of one phase each, named by the labels of its calls. */
function phaseByPhase(program: Program): Section[] {
  return program.flatMap(({ phases }) =>
    phases.map((phase) => ({ name: name(phase), phases: [phase] })),
  );
}

/** What each section's calls move; several sections may have one name, as their times. */
function trafficBySection(sections: readonly Section[]): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const { name, phases } of sections)
    for (const call of phases.flat()) bytes.set(name, (bytes.get(name) ?? 0) + trafficOf(call));
  return bytes;
}

/** The label of a phase's calls, with the names of all layers if it computes several linear ones. */
function name(phase: Phase): string {
  const [first] = phase;
  if (/time_mlp|time_emb|timestep_emb|class_emb|norm1\.linear|proj_out_1/.test(first?.label ?? ''))
    return EMBEDDING;
  if (first?.label === undefined) return first?.kernel ?? 'nothing';
  const [, ...rest] = first.label.split(' ');
  const same = phase.flatMap(({ label }) => {
    const [layer, ...others] = label?.split(' ') ?? [];
    return layer !== undefined && others.join() === rest.join() ? [layer] : [];
  });
  return [[...new Set(same)].join(), ...rest].join(' ');
}

const middle = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
