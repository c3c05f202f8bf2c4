import type { Autoencoder } from '../contracts/autoencoder.js';
import type { Generator, LatentGenerator } from '../contracts/generator.js';
import { requireFinite } from '../diffusion/finite.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { decoderInWords } from '../sample/decode.js';
import { OUT_OF_RANGE } from '../sample/decode-each.js';

/**
 * Draws latents with another generator, and decodes them to pictures: all lanes share one autoencoder, which takes their pictures one
 * by one, so that none depends on its batch.
 */
export class DecodingGenerator implements Generator {
  private readonly latents: LatentGenerator;
  private readonly autoencoder: Autoencoder;
  /** Settles when the autoencoder is free. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(latents: LatentGenerator, autoencoder: Autoencoder) {
    this.latents = latents;
    this.autoencoder = autoencoder;
  }

  get device(): Generator['device'] {
    return this.latents.device;
  }

  get description(): string {
    return `${this.latents.description}, ${decoderInWords(this.autoencoder)}`;
  }

  get build(): string {
    return this.latents.build;
  }

  get lanes(): number {
    return this.latents.lanes;
  }

  get batch(): number {
    return this.latents.batch;
  }

  get steps(): number {
    return this.latents.steps;
  }

  async make(lane: number, images: Uint32Array): Promise<Uint8Array> {
    const latents = await this.latents.draw(lane, images);
    const turn = this.turn.then(() => this.autoencoder.decode(latents));
    this.turn = turn.catch(() => undefined);
    const pictures = await turn;
    requireFinite(pictures, images, OUT_OF_RANGE);
    return sharedArithmetic().toBytes(pictures);
  }

  stepsDone(lane: number): number {
    return this.latents.stepsDone(lane);
  }

  async dispose(): Promise<void> {
    await Promise.all([this.latents.dispose(), this.autoencoder.dispose()]);
  }
}
