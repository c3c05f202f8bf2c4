/** Reads tensors by name from any file that has them: safetensors, or the output of `torch.save`. */
import type { Tensor } from '../network/state.js';
import { withInputFile } from './input-file.js';
import { requirePath } from './require-path.js';
import { openSafetensors, type Safetensors } from './safetensors.js';
import type { TensorFile } from './tensor-file.js';
import { isTorchFile } from './torch/is-torch-file.js';
import { openTorchFile } from './torch/open.js';

/** The supported files of weights, for messages. */
const EXPECTED = "a file of tensors (.safetensors, or PyTorch's .pt, .pth or .bin)";

/**
 * Opens a file of tensors for `use`; its first bytes determine the format, whatever its name.
 * @throws UsageError if it is neither, or damaged; other errors of `use` pass through
 */
export function withTensorFile<T>(path: string, use: (file: TensorFile) => Promise<T>): Promise<T> {
  return withInputFile(path, EXPECTED, async (file) => {
    const start = Buffer.alloc(8);
    await file.handle.read(start, 0, 8, 0);
    return use(await (isTorchFile(start) ? openTorchFile(file, start) : openSafetensors(file)));
  });
}

/**
 * Reads every tensor of a .safetensors or of a `torch.save` file (.pt, .pth, .bin), without running any of it: a
 * pickle's objects other than tensors, dictionaries and lists are skipped. Tensors in nested dictionaries and lists
 * are named by their path: `model_state_dict.conv0.weight`. Floats become F32 (F64 is rounded), all others I64.
 * @throws UsageError with file, tensor, expected and got, for a file that is damaged or has unsupported contents
 */
export async function readTensors(path: string): Promise<Safetensors> {
  requirePath('readTensors', path, EXPECTED);
  return withTensorFile(path, async (file) => {
    const tensors = new Map<string, Tensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  });
}
