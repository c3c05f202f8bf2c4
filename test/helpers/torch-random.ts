/*
 * PyTorch's generator on the CPU: the Mersenne Twister MT19937 (Matsumoto & Nishimura, 1998), and normals by Box and Muller in
 * blocks of sixteen, as torch.randn draws 16 or more of them.
 */

const [SIZE, SHIFT] = [624, 397];

export class TorchRandom {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const before = this.#state[i - 1]!;
      this.#state[i] = Math.imul(1_812_433_253, before ^ (before >>> 30)) + i;
    }
  }

  /** As torch.randn of `count` f32, a multiple of 16. */
  normals(count: number): Float32Array<ArrayBuffer> {
    const uniform = Float32Array.from({ length: count }, () => this.#uniform());
    const out = new Float32Array(count);
    for (let first = 0; first < count; first += 16)
      for (let i = first; i < first + 8; i++) {
        const radius = Math.sqrt(-2 * Math.log(1 - uniform[i]!));
        const angle = 2 * Math.PI * uniform[i + 8]!;
        out[i] = radius * Math.cos(angle);
        out[i + 8] = radius * Math.sin(angle);
      }
    return out;
  }

  /** In [0, 1), of 24 bits. */
  #uniform(): number {
    return (this.#word() & 0xff_ffff) * 2 ** -24;
  }

  #word(): number {
    if (this.#next === SIZE) this.#twist();
    let word = this.#state[this.#next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const mixed = (state[i]! & 0x8000_0000) | (state[(i + 1) % SIZE]! & 0x7fff_ffff);
      const odd = mixed & 1 ? 0x9908_b0df : 0;
      state[i] = state[(i + SHIFT) % SIZE]! ^ (mixed >>> 1) ^ odd;
    }
    this.#next = 0;
  }
}
