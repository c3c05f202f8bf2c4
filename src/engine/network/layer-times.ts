/** Where the time of a U-Net's pass goes: the program that runs, each of its phases timed under its layer's name. */
import { attentionCosts, layerCosts } from '../../network/cost.js';
import type { Program, Section } from '../program.js';
import type { LayerPass } from './convolve.js';
import type { WasmNetwork } from './wasm-network.js';

export interface LayerTime {
  /** state_dict name; for what belongs to no layer, the kernel. */
  readonly layer: string;
  readonly pass: LayerPass | null;
  /** `F(4,3)` and so on: Winograd's tiles; `dense`: a product of matrices. Null for other kernels. */
  readonly algorithm: string | null;
  readonly ms: number;
  /** Of the direct sum, whatever the algorithm; null where nothing is convolved. */
  readonly gflops: number | null;
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
  return Object.keys(runs[0]!).map((label) => {
    const ms = middle(runs.map((times) => times[label]!));
    const [layer = label, pass, algorithm] = label.split(' ');
    const operations = (costs.get(layer) ?? 0) * batch * (pass === 'both' ? 2 : 1);
    return {
      layer,
      pass: (pass as LayerPass | undefined) ?? null,
      algorithm: algorithm ?? null,
      ms,
      gflops: operations > 0 && ms > 0 ? operations / ms / 1e6 : null,
    };
  });
}

/** Sections of one phase each, named by what its calls are part of. */
function phaseByPhase(program: Program): Section[] {
  return program.flatMap(({ phases }) =>
    phases.map((phase) => ({ name: name(phase[0]?.label, phase[0]?.kernel), phases: [phase] })),
  );
}

/** The layers of the time embedding run side by side and are too small to be told apart. */
const name = (label: string | undefined, kernel: string | undefined): string =>
  label?.includes('time_mlp') ? 'time_mlp' : (label ?? kernel ?? 'nothing');

const middle = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
