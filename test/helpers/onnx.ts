import { createRequire } from 'node:module';
import { needing } from './needing.js';

/** Why networks of ONNX files cannot be run here, if they cannot. */
const missing = ((): string | undefined => {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
    return undefined;
  } catch {
    return 'onnxruntime-node is not installed';
  }
})();

/** A test that needs onnxruntime-node. */
export const onnxTest = needing(missing);
