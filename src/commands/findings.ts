import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { arch, availableParallelism, cpus, freemem, platform } from 'node:os';
import { dirname } from 'node:path';
import { planRoom } from '../engine/arena.js';
import { MAX_BYTES } from '../engine/host/host.js';
import { bestBuild, compile, lackOfWideVectors, wideByDefault } from '../engine/host/kernels.js';
import { createMemory } from '../engine/module.js';
import { describeOnnx, INSTALL_ONNX } from '../evaluate/onnx.js';
import { cacheFolder } from '../io/cache-folder.js';
import { lackOfAddressSpace } from '../machine/address-space.js';
import { memoryLimits } from '../machine/memory.js';
import { processors } from '../machine/processors.js';
import { shellWord } from '../shell-word.js';
import { describeTensorflow } from '../tensorflow/describe.js';
import { dangerOf } from '../tensorflow/setup/safe-cache.js';
import { bytes } from '../units.js';

/** One result of the examination. */
export interface Finding {
  readonly what: string;
  /** `optional`: absent, but not needed; `missing`: something will not work. */
  readonly state: 'good' | 'optional' | 'missing';
  readonly found: string;
  /** What the user can do about it; null if nothing needs doing. */
  readonly fix: string | null;
}

/** Examines everything, in the order of the report. */
export async function examine(): Promise<Finding[]> {
  return [
    node(),
    machine(),
    memory(),
    kernels(),
    sharedMemory(),
    await pictures(),
    ...(await tensorflow()),
    await onnx(),
    await cache(),
  ];
}

const good = (what: string, found: string): Finding => ({ what, state: 'good', found, fix: null });

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const found = `${process.version} (${platform()} ${arch()})`;
  if (major > 20 || (major === 20 && minor >= 19)) return good('Node', found);
  return {
    what: 'Node',
    state: 'missing',
    found,
    fix: 'install Node 20.19 or newer: https://nodejs.org',
  };
}

function machine(): Finding {
  const [count, all] = [processors(), availableParallelism()];
  const model = cpus()[0]?.model.trim() || 'unknown processor';
  const quota = count < all ? ` (the control group's quota; the machine has ${all})` : '';
  return good('Processor', `${model}, ${count} ${count === 1 ? 'core' : 'cores'} to use${quota}`);
}

/** Memory that this process may use, and the limit that applies. */
function memory(): Finding {
  const [tightest] = memoryLimits(processors());
  const { bytes: total, what } = tightest!;
  const room = planRoom({ threads: processors() });
  const found =
    `${bytes(total)} (${what}), ${bytes(Math.min(freemem(), total))} free; ` +
    `the wasm device takes ${bytes(room.bytes)} at most`;
  if (room.bytes >= MAX_BYTES) return good('Memory', found);
  const fix = 'use a smaller model: haze inspect --preset small shows what one needs';
  return { what: 'Memory', state: 'optional', found, fix };
}

/** Whether the kernels compile, and which build is used. */
function kernels(): Finding {
  const what = 'Kernels';
  const build = bestBuild();
  try {
    compile('strict');
    compile(build);
  } catch (error) {
    const found = `the WebAssembly modules do not load: ${(error as Error).message}`;
    return { what, state: 'missing', found, fix: 'npm ci && npm run build' };
  }
  if (build === 'relaxed') {
    const lack = lackOfWideVectors();
    const wide =
      lack !== null
        ? `no 256-bit vectors: ${lack}`
        : `256-bit vectors ${wideByDefault() ? 'by default' : 'with --wide, not tested with this Node'}`;
    return good(
      what,
      `SIMD, and relaxed SIMD (fused multiply-add): the relaxed build runs; ${wide}`,
    );
  }
  const fix = 'nothing is wrong; a newer Node is faster where it has relaxed SIMD';
  return {
    what,
    state: 'optional',
    found: 'SIMD without relaxed SIMD: the strict build runs',
    fix,
  };
}

/** Whether threads get workers and a shared memory of the largest size; address space is only reserved. */
function sharedMemory(): Finding {
  const what = 'Shared memory';
  const workers = processors();
  const lack = lackOfAddressSpace({ workers, memories: [MAX_BYTES] });
  if (lack !== null) {
    const found = `none for the engine and its workers: ${lack}`;
    return { what, state: 'missing', found, fix: 'ulimit -v unlimited' };
  }
  try {
    createMemory(MAX_BYTES);
    return good(what, `${bytes(MAX_BYTES)} granted to the engine's threads`);
  } catch (error) {
    return {
      what,
      state: 'optional',
      found: (error as Error).message,
      fix: 'ulimit -v unlimited',
    };
  }
}

/** Formats that sharp reads but Haze does not accept as pictures: vector graphics, and libvips' own. */
const NO_PICTURES: readonly string[] = ['svg', 'raw', 'vips'];

async function pictures(): Promise<Finding> {
  const what = 'Pictures';
  try {
    const { default: sharp } = await import('sharp');
    const readable = Object.values(sharp.format).filter(
      ({ id, input }) => (input.file || input.buffer) && !NO_PICTURES.includes(id),
    );
    const formats = readable.map(({ id }) => id).sort();
    const { sharp: version, vips } = sharp.versions;
    return good(what, `sharp ${version} (libvips ${vips}) reads ${formats.join(', ')}`);
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    return {
      what,
      state: 'missing',
      found: `sharp does not load: ${reason}`,
      fix: 'npm ci --include=optional',
    };
  }
}

async function tensorflow(): Promise<Finding[]> {
  const { origin, version, folder, gaps, used, driver, tf32 } = await describeTensorflow();
  const what = 'TensorFlow';
  const [gap] = gaps;
  if (!origin || !version) {
    const found = `${gap?.what ?? 'not there'}; --device wasm computes without it`;
    return [{ what, state: 'optional', found, fix: gap?.fix ?? null }];
  }
  const build = { cuda: 'CUDA build', cpu: 'CPU build', official: "the package's own" }[origin];
  const library = good(what, `libtensorflow ${version} (${build}) in ${folder}`);
  if (used === undefined || used === 'cpu')
    return [
      library,
      { what: 'CUDA', state: 'optional', found: gap?.what ?? 'not used', fix: gap?.fix ?? null },
    ];
  const { name, memoryMB, computeCapability } = used;
  const device = `${name}, ${bytes(memoryMB * 2 ** 20)}, compute capability ${computeCapability}`;
  return [library, good('CUDA', `${device}, driver ${driver ?? 'unknown'}, TF32 ${tf32}`)];
}

/** The package that computes image features for `haze evaluate`. */
async function onnx(): Promise<Finding> {
  const what = 'ONNX Runtime';
  const about = await describeOnnx();
  if ('version' in about) return good(what, `onnxruntime-node ${about.version}`);
  const found = 'not usable; haze evaluate works without --features';
  return { what, state: 'optional', found, fix: INSTALL_ONNX };
}

async function cache(): Promise<Finding> {
  const what = 'Cache';
  const folder = cacheFolder();
  const place = await nearest(folder);
  const stats = await stat(place);
  const other = 'set HAZE_CACHE to a folder of your own';
  if (!stats.isDirectory())
    return { what, state: 'optional', found: `${place} is not a folder`, fix: other };
  const danger = dangerOf(folder, folder);
  if (danger) return { what, state: 'optional', found: danger.what, fix: danger.fix };
  try {
    await access(place, constants.W_OK | constants.X_OK);
    return good(what, `${folder}${place === folder ? '' : ' (created when first needed)'}`);
  } catch {
    // Only its owner may change the mode of a folder.
    const isOwn = stats.uid === (process.getuid?.() ?? stats.uid);
    const fix = isOwn ? `run chmod u+wx ${shellWord(place)}, or ${other}` : other;
    return { what, state: 'optional', found: `${folder} cannot be written`, fix };
  }
}

/** The folder itself, or its nearest existing ancestor. */
async function nearest(folder: string): Promise<string> {
  try {
    await access(folder);
    return folder;
  } catch {
    return folder === dirname(folder) ? folder : nearest(dirname(folder));
  }
}
