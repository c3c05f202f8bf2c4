/**
 * An AutoencoderKL as one network that gives back its input, to be trained. Its encoder computes means alone: there is no draw of
 * latents, and so no KL term, which Rombach et al. (2022) weigh by 1e-6.
 */
import { klDecoder, klEncoder } from './autoencoder-kl.js';
import type { AutoencoderKlConfig } from './autoencoder-kl-config.js';
import { GraphBuilder } from './builder.js';
import type { Graph } from './graph.js';
import { elements, type StateDict, type Tensor } from './state.js';

/** The layer that makes [means | log variances] of the encoder's output. */
const LAST = 'quant_conv';

/** A log variance at which diffusers' class clamps smaller ones: draws from the posterior are its mean, to 3e-7. */
const NO_VARIANCE = -30;

/**
 * The network for pictures of `size` pixels a side. Its layers are diffusers', but for `quant_conv`, whose outputs are the means alone.
 * @param c an autoencoder with `quantConv`
 */
export function buildWholeAutoencoder(c: AutoencoderKlConfig, size: number): Graph {
  const g = new GraphBuilder(size, c.channels);
  const encode = klEncoder(g, c, c.latentChannels);
  const decode = klDecoder(g, c);
  return g.build(decode(encode(g.image())));
}

/**
 * The state dict of diffusers' class from the network's: `quant_conv` gets rows for the log variances, of weight 0 and a bias of −30, so
 * that the posterior is its mean.
 */
export const posteriorState = (state: StateDict): StateDict =>
  new Map(
    [...state].map(([name, tensor]) => [
      name,
      name.startsWith(`${LAST}.`) ? padded(name, tensor) : tensor,
    ]),
  );

/** As many rows again. */
function padded(name: string, { shape, data }: Tensor): Tensor {
  const [rows, ...rest] = shape;
  const more = [2 * rows!, ...rest];
  const all = new Float32Array(elements(more)).fill(name.endsWith('.bias') ? NO_VARIANCE : 0);
  all.set(data as Float32Array);
  return { dtype: 'F32', shape: more, data: all };
}
