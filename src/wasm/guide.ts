/** A second network beside the first, in the same memory: predictions are guided away from its own (Karras et al., 2024). */
import type { Arena } from '../engine/arena.js';
import type { NetworkMemory } from '../engine/network/memory.js';
import { planMemory } from '../engine/network/plan.js';
import { buildNetwork, type NetworkConfig } from '../network/network.js';

export interface GuideOptions {
  /** Of a network for images of the same size and channels. */
  readonly architecture: NetworkConfig;
  /** W in m_guide + W·(m − m_guide). */
  readonly guidance: number;
}

export interface GuideMemory extends Pick<GuideOptions, 'guidance'> {
  /** It reads the first network's x_t. */
  readonly unet: NetworkMemory;
}

/** Lays out a guide beside a network. @param first another one, whose weights it reads */
export function planGuide(
  arena: Arena,
  { shape, workers, scratches, xt }: NetworkMemory,
  { architecture, guidance }: GuideOptions,
  first?: GuideMemory,
): GuideMemory {
  const graph = buildNetwork(architecture, shape.graph.size);
  const unet = planMemory(arena, { ...shape, graph }, workers, first?.unet, scratches);
  return { guidance, unet: { ...unet, xt } };
}

/** A network and its guide, if it has one. */
export const withGuide = (unet: NetworkMemory, guide: GuideMemory | undefined): NetworkMemory[] =>
  guide ? [unet, guide.unet] : [unet];
