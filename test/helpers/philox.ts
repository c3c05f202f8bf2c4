/** Philox4x32-10 and the normals made from it, written plainly: what the kernels are held to. */

/** A word of the counter (c0, c1, c2, c3) under the key (k0, k1) at a time, with exact integers. */
export function philox4x32(counter: readonly number[], key: readonly number[]): number[] {
  let [x0, x1, x2, x3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const mask = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * x0;
    const p1 = 0xcd9e8d57n * x2;
    [x0, x1, x2, x3] = [(p1 >> 32n) ^ x1 ^ k0, p1 & mask, (p0 >> 32n) ^ x3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [x0, x1, x2, x3].map(Number);
}

export interface Stream {
  readonly seed: readonly [low: number, high: number];
  readonly purpose: number;
  readonly index: number;
  readonly timestep: number;
}

/** Words of the elements [0, length) of a stream. */
export function words(stream: Stream, length: number): Uint32Array {
  const all = new Uint32Array(Math.ceil(length / 4) * 4);
  for (let block = 0; 4 * block < length; block++)
    all.set(
      philox4x32([block, stream.timestep, stream.index, stream.purpose], stream.seed),
      4 * block,
    );
  return all.slice(0, length);
}

/** Normals of the elements [0, length) of a stream, in f64. */
export function normals(stream: Stream, length: number): Float64Array {
  const all = words(stream, length + (length % 2));
  const pairs = Float64Array.from(all);
  for (let i = 0; i < all.length; i += 2) pairs.set(boxMuller(all[i]!, all[i + 1]!), i);
  return pairs.slice(0, length);
}

/** The two normals of a radius word and an angle word; u as f32 holds it, the rest in f64. */
export function boxMuller(radiusWord: number, angleWord: number): [number, number] {
  const u = Math.fround(Math.fround((radiusWord >>> 1) * 2 ** -31) + 2 ** -32);
  const radius = Math.sqrt(-2 * Math.log(u));
  const wedge = ((angleWord << 2) * 2 ** -31 * Math.PI) / 4;
  const mirrored = (angleWord & 0x40000000) !== 0;
  const angle = (mirrored ? Math.PI / 2 - wedge : wedge) + (angleWord >>> 31) * Math.PI;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
