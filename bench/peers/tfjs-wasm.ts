/**
 * The official WebAssembly backend of tfjs: `npm run bench:peer -- "tfjs WASM backend" forward`. It has no gradient of a
 * convolution's weights, so it cannot train.
 */
import { dirname } from 'node:path';
import { requirePeer, serve, threads } from './peer.js';
import { type FullTf, tfjsUnet } from './tfjs-unet.js';

interface WasmBackend {
  readonly version_wasm: string;
  setWasmPaths(folder: string): void;
  setThreadsCount(count: number): void;
  getThreadsCount(): number;
}

const tf = requirePeer('@tensorflow/tfjs') as FullTf;
const wasm = requirePeer('@tensorflow/tfjs-backend-wasm') as WasmBackend;
wasm.setWasmPaths(`${dirname(requirePeer.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
wasm.setThreadsCount(threads);
await tf.setBackend('wasm');
await tf.ready();
const { forward } = await tfjsUnet(tf);
// In Node it has one thread, whatever it is set to.
await serve(wasm.version_wasm, { forward }, wasm.getThreadsCount());
