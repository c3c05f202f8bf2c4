import { createRequire } from 'node:module';
import test, { type ExecutionContext } from 'ava';

/** Why networks of ONNX files cannot be run here, if they cannot. */
const missing = ((): string | undefined => {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
    return undefined;
  } catch {
    return 'onnxruntime-node is not installed';
  }
})();

/** A test that needs onnxruntime-node; where there is none it is skipped, and its title says why. */
export function onnxTest(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  if (missing) test.skip(`${title} (not run: ${missing})`, body);
  else test(title, body);
}
