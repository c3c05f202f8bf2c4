/** A folder of photographs: decode, scale, normalise and mirror, compared with sharp's own scaling. */
import { join as joinPath } from 'node:path';
import { PRESETS } from '../config/presets.js';
import { DecodePool } from '../data/decode-pool.js';
import { KernelRunner, OUTPUT } from '../engine/kernel-runner.js';
import { measureBesidePeers } from './beside-peers.js';
import type { BenchOptions } from './options.js';
import { ours, type Variant, variants } from './paths.js';
import { SIDE, writePhotographs } from './photographs.js';
import type { Work } from './result.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';
import type { Findings } from './suite.js';
import { temporarily } from './task.js';

/** Photographs in the folder: enough that the start and end of a load, where one worker waits for the other, do not count. */
const COUNT = 256;

/** For the mean and deviation of all pixels: libraries scale and decode slightly differently. */
const TOLERANCE = 0.02;

export async function benchPreprocess(options: BenchOptions): Promise<Findings> {
  const { size } = (options.chosen ?? PRESETS.reference).model;
  const batch = options.batch ?? COUNT;
  const work: Work = { subject: 'preprocess', what: 'load', model: null, batch, size };
  options.onNote(`drawing ${batch} photographs of ${SIDE}x${SIDE}`);
  return temporarily(async (folder) => {
    const photographs = joinPath(folder, 'photographs');
    const files = await writePhotographs(photographs, batch, options.seed);
    const list = variants(options).filter(({ build }) => build === variants(options)[0]!.build);
    const open: Loader[] = [];
    try {
      for (const variant of list) open.push(await openLoader(files, size, variant));
      const contenders: Contender[] = open.map(({ contender }) => contender);
      contenders.push(await sharpAlone(files, size, list[0]!.threads));
      const { threads } = list[0]!;
      return await measureBesidePeers(work, contenders, options, {
        tolerance: TOLERANCE,
        task: () => ({ file: photographs, threads, size }),
        peers: { repeat: 1 },
      });
    } finally {
      for (const { close } of open) await close();
    }
  });
}

interface Loader {
  readonly contender: Contender;
  close(): Promise<void>;
}

/** What `haze train` does: the decoding pool, then the kernel that normalises and mirrors a batch. */
async function openLoader(
  files: readonly string[],
  size: number,
  variant: Variant,
): Promise<Loader> {
  const { threads, build, wide } = variant;
  const count = files.length;
  const bytes = count * size * size * 3;
  const decoded = new SharedArrayBuffer(bytes);
  const pixels = new Uint8Array(bytes);
  const runner = new KernelRunner(
    {
      batchToFloat: {
        kernel: 'batchToFloat',
        args: [OUTPUT, pixels, odd(count), size, size, 3],
        items: count * size,
        output: { type: 'f32', length: bytes },
      },
    },
    { threads, strict: build === 'strict', wide },
  );
  const pool = await DecodePool.open({ size, channels: 3, fit: 'squash' }, threads);
  const load = async () => {
    const { failures } = await pool.decode({
      count,
      item: (i) => ({ kind: 'file', path: files[i]! }),
      out: decoded,
    });
    if (failures[0]) throw new Error(`${files[failures[0].item]}: ${failures[0].reason}`);
    runner.write(pixels, new Uint8Array(decoded));
    await runner.run('batchToFloat', 1);
  };
  return {
    contender: {
      path: ours({ device: null, arithmetic: 'wasm', build, wide, threads }),
      check: async () => {
        await load();
        return digest(runner.output('batchToFloat')).slice(0, 2);
      },
      turn: () => timed(load),
    },
    close: async () => {
      await pool.close();
      await runner.destroy();
    },
  };
}

/** Decoding and scaling by libvips alone: the bytes are neither normalised nor mirrored. */
async function sharpAlone(
  files: readonly string[],
  size: number,
  threads: number,
): Promise<Contender> {
  const { default: sharp } = await import('sharp');
  const out = new Uint8Array(files.length * size * size * 3);
  const load = async () => {
    const before = sharp.concurrency();
    sharp.concurrency(1); // One thread per picture, and as many pictures at once as there are threads.
    sharp.cache(false);
    const todo = files.entries();
    const lane = async () => {
      for (const [i, file] of todo) {
        const picture = sharp(file).resize(size, size, { fit: 'fill', kernel: 'linear' });
        out.set(await picture.removeAlpha().raw().toBuffer(), i * size * size * 3);
      }
    };
    await Promise.all(Array.from({ length: threads }, lane));
    sharp.concurrency(before);
  };
  return {
    path: { by: 'sharp resize', device: null, arithmetic: null, build: null, threads },
    check: async () => {
      await load();
      return digest(Float32Array.from(out, (level) => level / 127.5 - 1)).slice(0, 2);
    },
    turn: () => timed(load),
  };
}

/** Every second picture is mirrored. */
const odd = (count: number) => Uint32Array.from({ length: count }, (_, i) => i & 1);

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
