/**
 * The arithmetic around the U-Net in straightforward JavaScript: loops over typed arrays, no WebAssembly.
 * The kernels are measured against it.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the product of two u32, from 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = ah * bl + ((al * bl) >>> 16);
  return ah * bh + Math.floor(middle / 65536) + (((middle % 65536) + al * bh) >>> 16);
}

/** Standard normals of the elements [0, out.length) of a stream: Philox4x32-10, then Box and Muller. */
export function gaussian(
  out: Float32Array,
  [low, high]: readonly [number, number],
  purpose: number,
  index: number,
  timestep: number,
): void {
  const words = new Uint32Array(4);
  for (let e = 0; e < out.length; e += 4) {
    philox(words, e / 4, timestep, index, purpose, low, high);
    for (let i = 0; i < 4; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[i]! >>> 1) * 2 ** -31 + 2 ** -32));
      const angle = toAngle(words[i + 1]!);
      out[e + i] = radius * Math.cos(angle);
      if (e + i + 1 < out.length) out[e + i + 1] = radius * Math.sin(angle);
    }
  }
}

/** The angle of a word: its low 30 bits in the wedge around 0, bits 30 and 31 mirror it. */
function toAngle(word: number): number {
  const wedge = ((word << 2) * 2 ** -31 * Math.PI) / 4;
  const mirrored = (word & 0x40000000) === 0 ? wedge : Math.PI / 2 - wedge;
  return mirrored + (word >>> 31) * Math.PI;
}

/** Salmon et al. (2011): ten rounds over the counter (c0, c1, c2, c3) under the key (k0, k1). */
function philox(
  out: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  let [x0, x1, x2, x3, key0, key1] = [c0, c1, c2, c3, k0, k1];
  for (let round = 0; round < 10; round++) {
    const [high0, high1] = [multiplyHigh(M0, x0 >>> 0), multiplyHigh(M1, x2 >>> 0)];
    const [low0, low1] = [Math.imul(M0, x0), Math.imul(M1, x2)];
    x0 = high1 ^ x1 ^ key0;
    x2 = high0 ^ x3 ^ key1;
    x1 = low1;
    x3 = low0;
    key0 = (key0 + W0) | 0;
    key1 = (key1 + W1) | 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** x_t = a·x_0 + b·ε. */
export function qSample(
  out: Float32Array,
  x0: Float32Array,
  eps: Float32Array,
  a: number,
  b: number,
): void {
  for (let i = 0; i < out.length; i++) out[i] = a * x0[i]! + b * eps[i]!;
}

/** x_{t−1} = recip·(x_t − scale·ε̂) + σ·z. */
export function pSample(
  out: Float32Array,
  x: Float32Array,
  eps: Float32Array,
  z: Float32Array,
  coefficients: Float32Array,
): void {
  const [recip = 0, scale = 0, sigma = 0] = coefficients;
  for (let i = 0; i < out.length; i++) out[i] = recip * (x[i]! - scale * eps[i]!) + sigma * z[i]!;
}

/** x_s = signal·(x_t − noise·ε̂)·recip + direction·ε̂ + σ·z. */
export function ddimStep(
  out: Float32Array,
  x: Float32Array,
  eps: Float32Array,
  z: Float32Array,
  coefficients: Float32Array,
): void {
  const [recip = 0, noise = 0, signal = 0, direction = 0, sigma = 0] = coefficients;
  for (let i = 0; i < out.length; i++) {
    const e = eps[i]!;
    out[i] = signal * (x[i]! - noise * e) * recip + direction * e + sigma * z[i]!;
  }
}

/** p/127.5 − 1. */
export function toFloat(out: Float32Array, pixels: Uint8Array): void {
  for (let i = 0; i < out.length; i++) out[i] = pixels[i]! / 127.5 - 1;
}

/** (x + 1)·127.5; a clamped array clamps and rounds. */
export function toBytes(out: Uint8ClampedArray, x: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (x[i]! + 1) * 127.5;
}

/** A batch as floats, image n mirrored left to right where flips[n] is 1. */
export function batchToFloat(
  out: Float32Array,
  pixels: Uint8Array,
  flips: Uint32Array,
  { height, width, channels }: { height: number; width: number; channels: number },
): void {
  for (let row = 0; row < flips.length * height; row++) {
    const mirrored = flips[Math.floor(row / height)] === 1;
    for (let x = 0; x < width; x++) {
      const to = (row * width + x) * channels;
      const from = mirrored ? (row * width + width - 1 - x) * channels : to;
      for (let c = 0; c < channels; c++) out[to + c] = pixels[from + c]! / 127.5 - 1;
    }
  }
}
