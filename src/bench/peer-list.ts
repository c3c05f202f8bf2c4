/** The peers in bench/peers: how each is started, what it supports, and what it lacks on this machine. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { NetworkKind } from '../network/network.js';
import { findInstall } from '../tensorflow/locate.js';
import type { Launch } from './peer-process.js';

/** A peer's task: a file of inputs (or a folder of pictures), and its share of the machine. */
export interface Task {
  readonly file: string;
  readonly threads: number;
  /** The network of the weights, if there are any. */
  readonly network?: NetworkKind;
  /** Side that pictures are scaled to. */
  readonly size?: number;
}

/** Another library that does the same work, for comparison. */
export interface Peer {
  readonly name: string;
  readonly works: readonly string[];
  /** Networks that it supports; default all. */
  readonly networks?: readonly NetworkKind[];
  /** Work that it might be expected to do, and why it does not. */
  readonly cannot?: Readonly<Record<string, string>>;
  /** The command, or what is missing and how to get it. */
  launch(task: Task): Promise<Launch | { readonly missing: string }>;
}

/** The repository root, seen from dist/src/bench; an installed package has no bench/. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCRIPTS = join(ROOT, 'bench', 'peers');
const COMPILED = join(ROOT, 'dist', 'bench', 'peers');

const NOT_SHIPPED = "peers are in the repository's bench/peers, not in the package";
const NO_TORCH =
  'no PyTorch: pip install torch numpy pillow safetensors, and set PYTHON to that Python';
const NO_DIFFUSERS = 'no diffusers: pip install diffusers for the Python that PYTHON names';
const NO_ONNX =
  'no PyTorch with ONNX export: pip install torch numpy pillow safetensors onnx, and set PYTHON to that Python';

/** Whether a network is one of diffusers, which the peer then needs. */
const isDiffusers = (network: NetworkKind | undefined): boolean =>
  network !== undefined && network !== 'simple';

function torch(name: string, script: string, works: readonly string[], ...more: string[]): Peer {
  return {
    name,
    works,
    async launch({ file, threads, size, network }) {
      const path = join(SCRIPTS, script);
      if (!existsSync(path)) return { missing: NOT_SHIPPED };
      const program = await python();
      if (program === null) return { missing: NO_TORCH };
      if (isDiffusers(network) && (await diffusers()) === null) return { missing: NO_DIFFUSERS };
      const given = size === undefined ? [] : ['--size', String(size)];
      const args = [path, file, '--threads', String(threads), ...given, ...more];
      return { program, args, env: { OMP_NUM_THREADS: String(threads) } };
    },
  };
}

function node(
  name: string,
  script: string,
  works: readonly string[],
  lacks: () => string | null,
  ...more: string[]
): Peer {
  return {
    name,
    works,
    async launch({ file, threads }) {
      const path = join(COMPILED, script);
      if (!existsSync(path)) return { missing: NOT_SHIPPED };
      const missing = lacks();
      if (missing !== null) return { missing };
      const env = {
        TF_NUM_INTRAOP_THREADS: String(threads),
        PYTHON: (await python()) ?? '',
      };
      const args = [path, file, '--threads', String(threads), ...more];
      return { program: process.execPath, args, env };
    },
  };
}

/** Null if a package of bench/peers/package.json is installed, else what is missing. */
const lacksPackage = (name: string) => (): string | null =>
  existsSync(join(SCRIPTS, 'node_modules', name))
    ? null
    : 'not installed: npm ci --prefix bench/peers';

const lacksTensorflow = (): string | null =>
  findInstall() ? null : 'not set up: haze setup tensorflow';

const UNET = ['forward', 'train', 'reverse step'];
const KERNELS = ['gaussian', 'qSample', 'pSample', 'toFloat'];

/** ONNX Runtime needs the model as a file, which PyTorch exports. */
const onnx = (name: string, kind: 'node' | 'web'): Peer => {
  const peer = node(name, 'onnxruntime.js', ['forward'], lacksPackage(`onnxruntime-${kind}`), kind);
  return {
    ...peer,
    cannot: { train: 'it only computes forward passes' },
    launch: async (task) => {
      if ((await exporter()) === null) return { missing: NO_ONNX };
      if (isDiffusers(task.network) && (await diffusers()) === null)
        return { missing: NO_DIFFUSERS };
      return peer.launch(task);
    },
  };
};

/** The ways in which PyTorch runs a network, by the suffix of its name (see `ratios.ts`). */
const TORCH_WAYS: readonly (readonly [name: string, ...switches: string[]])[] = [
  ['PyTorch'],
  ['PyTorch channels_last', '--channels-last'],
  ['PyTorch compiled', '--compile'],
  ['PyTorch compiled channels_last', '--compile', '--channels-last'],
];

/** A program that draws one picture has no time to compile. */
const EAGER = TORCH_WAYS.filter(([, ...switches]) => !switches.includes('--compile'));

const torchNetworks = (script: string, works: readonly string[]): Peer[] =>
  TORCH_WAYS.map(([name, ...switches]) => torch(name, script, works, ...switches));

const torchPrograms = (script: string, works: readonly string[]): Peer[] =>
  EAGER.map(([name, ...switches]) => torch(name, script, works, ...switches));

export const PEERS: readonly Peer[] = [
  ...torchNetworks('torch_unet.py', UNET),
  ...torchNetworks('torch_sampling.py', ['ancestral', 'ddim']),
  ...torchPrograms('torch_one_image.py', ['one image']),
  torch('PyTorch', 'torch_arithmetic.py', KERNELS),
  torch('PIL and numpy', 'pil_loader.py', ['load']),
  torch('PIL and numpy in workers', 'pil_loader.py', ['load'], '--workers'),
  {
    ...node('tfjs-node', 'tfjs-node.js', ['forward', 'train'], lacksTensorflow),
    networks: ['simple'],
  },
  node('tfjs-node', 'tfjs-arithmetic.js', KERNELS, lacksTensorflow),
  {
    ...node(
      'tfjs WASM backend',
      'tfjs-wasm.js',
      ['forward'],
      lacksPackage('@tensorflow/tfjs-backend-wasm'),
    ),
    networks: ['simple'],
    cannot: { train: "it has no gradient of a convolution's weights" },
  },
  onnx('onnxruntime-node', 'node'),
  onnx('onnxruntime-web', 'web'),
];

/** A Python with torch and the modules: $PYTHON, else python3. Null if there is none. */
const pythonWith = (modules: string) => {
  const found = new Map<string, Promise<string | null>>();
  return (): Promise<string | null> => {
    const program = process.env.PYTHON || 'python3';
    const known =
      found.get(program) ??
      promisify(execFile)(program, ['-c', `import ${modules}`]).then(
        () => program,
        () => null,
      );
    found.set(program, known);
    return known;
  };
};

const python = pythonWith('torch, numpy, PIL, safetensors');
const diffusers = pythonWith('diffusers');
const exporter = pythonWith('torch, numpy, safetensors, onnx');
