/**
 * ONNX Runtime on the model that PyTorch exports: `npm run bench:peer -- onnxruntime-node forward`, or onnxruntime-web.
 * PYTHON must name a Python with torch.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { file, readUnetTask, requirePeer, serve, threads, words } from './peer.js';

interface Ort {
  readonly env: {
    readonly versions: Record<string, string | undefined>;
    readonly wasm: { numThreads: number };
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<Session>;
  };
}

interface OrtTensor {
  readonly data: Float32Array;
}

interface Session {
  run(inputs: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
}

const kind = words[0] === 'web' ? 'web' : 'node';
const ort = requirePeer(`onnxruntime-${kind}`) as Ort;
const script = fileURLToPath(new URL('../../../bench/peers/export_onnx.py', import.meta.url));
const model = `${file}.onnx`;
execFileSync(process.env.PYTHON || 'python3', [script, file, model], {
  stdio: ['ignore', 'ignore', 'inherit'],
});

if (kind === 'web') ort.env.wasm.numThreads = threads;
const options = kind === 'web' ? { executionProviders: ['wasm'] } : { intraOpNumThreads: threads };
const session = await ort.InferenceSession.create(readFileSync(model), options);

const { batch, size, channels, xt, t } = await readUnetTask();
const plane = size * size;
const inputs = {
  x: new ort.Tensor('float32', toPlanes(xt), [batch, channels, size, size]),
  t: new ort.Tensor('float32', Float32Array.from(t), [batch]),
};

const versions = Object.entries(ort.env.versions).filter(([name]) => name !== 'common');
await serve(versions.map((pair) => pair.join(' ')).join(', '), {
  forward: async () => {
    const { eps } = await session.run(inputs);
    return () => toPixels(eps!.data);
  },
});

/** NHWC to NCHW. */
function toPlanes(pixels: Float32Array): Float32Array {
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) out[planeIndex(i)] = pixels[i]!;
  return out;
}

/** The index in NCHW of element i of NHWC. */
function planeIndex(i: number): number {
  const [pixel, channel] = [Math.floor(i / channels), i % channels];
  const [image, at] = [Math.floor(pixel / plane), pixel % plane];
  return (image * channels + channel) * plane + at;
}

/** And back. */
function toPixels(planes: Float32Array): Float32Array {
  return Float32Array.from(planes, (_, i) => planes[planeIndex(i)]!);
}
