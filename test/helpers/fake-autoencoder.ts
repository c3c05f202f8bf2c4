import type { Autoencoder } from '../../src/contracts/autoencoder.js';

/** An autoencoder that says which pictures it was given. */
export interface FakeAutoencoder extends Autoencoder {
  /** Pictures that were encoded, one after the other. */
  readonly encoded: Float32Array[];
}

/** Blocks of 2 x 2 pixels as the channels of one: exact, and a mirrored picture's latents are not mirrored latents. */
export function fakeAutoencoder(latentSize: number, channels: 1 | 3): FakeAutoencoder {
  const size = 2 * latentSize;
  const latentChannels = 4 * channels;
  const encoded: Float32Array[] = [];
  /** The index in latents of each of a picture's numbers. */
  const places = Array.from({ length: size * size * channels }, (_, i) => {
    const [c, x, y] = [
      i % channels,
      Math.floor(i / channels) % size,
      Math.floor(i / channels / size),
    ];
    const block = (y >> 1) * latentSize + (x >> 1);
    return block * latentChannels + (2 * (y & 1) + (x & 1)) * channels + c;
  });
  const each = (values: Float32Array, put: (out: Float32Array, from: number) => void) => {
    const out = new Float32Array(values.length);
    for (let at = 0; at < values.length; at += places.length)
      put(out.subarray(at, at + places.length), at);
    return out;
  };
  return {
    ...{ description: 'a fake', latentSize, size, latentChannels, channels, encoded },
    encode: async (pictures) =>
      each(pictures, (out, at) => {
        encoded.push(pictures.slice(at, at + places.length));
        places.forEach((place, i) => {
          out[place] = 0.5 * pictures[at + i]!;
        });
      }),
    decode: async (latents) =>
      each(latents, (out, at) => {
        places.forEach((place, i) => {
          out[i] = 2 * latents[at + place]!;
        });
      }),
    dispose: async () => {},
  };
}
