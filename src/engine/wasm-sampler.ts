import { PURPOSE } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Sampler } from '../sample/sampler.js';
import type { BatchNormMode } from '../unet/device.js';
import type { Arena } from './arena.js';
import type { LoadedProgram } from './engine.js';
import type { Argument, Program, Section } from './program.js';
import { splitSeed } from './seed.js';
import { dropPadding, forward } from './unet/forward.js';
import type { UnetMemory } from './unet/memory.js';
import { WasmUnet, type WasmUnetOptions } from './unet/wasm-unet.js';

export interface WasmSamplerOptions extends Omit<WasmUnetOptions, 'training' | 'loss'> {
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly seed: number;
}

/** What the reverse process keeps beside the U-Net; byte addresses. */
interface SamplerMemory {
  /** u32 image numbers, one a slot. */
  readonly images: number;
  /** u32 visited timesteps, then a 0 for x_T's noise. */
  readonly timesteps: number;
  readonly coefficients: number;
  /** z, f32 [batch, size, size, channels]. */
  readonly z: number;
}

/** Sampling on the engine: a whole trajectory is one program, and x_t never leaves shared memory. */
export class WasmSampler implements Sampler {
  readonly unet: WasmUnet;
  readonly batch: number;
  private readonly memory: SamplerMemory;
  private readonly norm: BatchNormMode;
  private readonly init: LoadedProgram;
  private readonly trajectory: LoadedProgram;

  private constructor(
    unet: WasmUnet,
    memory: SamplerMemory,
    sections: Program,
    options: WasmSamplerOptions,
  ) {
    this.unet = unet;
    this.batch = unet.batch;
    this.memory = memory;
    this.norm = options.norm;
    const { engine } = unet;
    const steps = options.trajectory.timesteps.length;
    this.init = engine.load([
      noiseSection(
        unet.memory,
        memory,
        unet.memory.xt,
        memory.timesteps + 4 * steps,
        options.seed,
        PURPOSE.sampleInit,
      ),
    ]);
    this.trajectory = engine.load(sections);
    new Uint32Array(engine.memory.buffer, memory.timesteps, steps).set(
      options.trajectory.timesteps,
    );
    const { coefficients } = options.trajectory;
    engine.floats(memory.coefficients, coefficients.length).set(coefficients);
  }

  /** @throws UsageError when it does not fit memory. */
  static create(options: WasmSamplerOptions): WasmSampler {
    const { unet, extra } = WasmUnet.create({ ...options, training: false }, (arena, unet) => {
      const memory = planSampler(arena, options);
      return { memory, sections: trajectorySections(unet, memory, options) };
    });
    return new WasmSampler(unet, extra.memory, extra.sections, options);
  }

  get description(): string {
    return this.unet.description;
  }

  async start(images: Uint32Array): Promise<void> {
    const { engine } = this.unet;
    new Uint32Array(engine.memory.buffer, this.memory.images, this.batch).set(images);
    await this.unet.prepare(this.norm);
    await engine.run(this.init);
  }

  async advance(from: number, to: number): Promise<void> {
    await this.unet.engine.run(this.trajectory, from, to);
  }

  read(): Float32Array {
    const { batch, size, architecture } = this.unet.memory.shape;
    const length = batch * size * size * architecture.channels;
    return this.unet.engine.floats(this.unet.memory.xt, length).slice();
  }

  async dispose(): Promise<void> {
    await this.unet.dispose();
  }
}

function planSampler(arena: Arena, options: WasmSamplerOptions): SamplerMemory {
  const { trajectory, batch, size, architecture } = options;
  return {
    images: arena.bytes('tables', 4 * batch),
    timesteps: arena.bytes('tables', 4 * (trajectory.timesteps.length + 1)),
    coefficients: arena.floats('tables', trajectory.coefficients.length),
    z: arena.floats('images', batch * size * size * architecture.channels),
  };
}

/** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. */
function trajectorySections(
  unet: UnetMemory,
  memory: SamplerMemory,
  { trajectory, norm, seed }: WasmSamplerOptions,
): Program {
  const t: Argument = { base: memory.timesteps, perStep: 4 };
  const row: Argument = { base: memory.coefficients, perStep: 4 * trajectory.width };
  const { batch, size, architecture } = unet.shape;
  return [
    noiseSection(unet, memory, memory.z, t, seed, PURPOSE.sampleNoise),
    {
      name: 'unet',
      phases: [...forward(unet, norm, { at: t, every: false }), dropPadding(unet)],
    },
    {
      name: 'step',
      phases: [
        [
          {
            kernel: trajectory.kernel,
            args: [unet.xt, unet.xt, unet.epsilon, memory.z, row],
            items: batch * size * size * architecture.channels,
            grain: 4,
          },
        ],
      ],
    },
  ];
}

function noiseSection(
  { shape }: UnetMemory,
  memory: SamplerMemory,
  out: number,
  timestep: Argument,
  seed: number,
  purpose: number,
): Section {
  const each = shape.size ** 2 * shape.architecture.channels;
  const [low, high] = splitSeed(seed);
  return {
    name: 'noise',
    phases: [
      [
        {
          kernel: 'gaussianImages',
          args: [out, memory.images, timestep, each, low, high, purpose],
          items: shape.batch * each,
          grain: 4,
        },
      ],
    ],
  };
}
