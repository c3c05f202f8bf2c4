/** Tensors by name out of any file that holds them: safetensors, or what `torch.save` writes. */
import type { Tensor } from '../network/state.js';
import { withInputFile } from './input-file.js';
import { openSafetensors, type Safetensors } from './safetensors.js';
import type { TensorFile } from './tensor-file.js';
import { isTorchFile } from './torch/is-torch-file.js';
import { openTorchFile } from './torch/open.js';

/** What a file of weights may be, for messages. */
const EXPECTED = "a file of tensors (.safetensors, or PyTorch's .pt, .pth or .bin)";

/**
 * Opens a file of tensors for `use`; its first bytes say which format it is, whatever it is called.
 * @throws UsageError when it is neither, or not sound; other errors of `use` pass.
 */
export function withTensorFile<T>(path: string, use: (file: TensorFile) => Promise<T>): Promise<T> {
  return withInputFile(path, EXPECTED, async (file) => {
    const start = Buffer.alloc(8);
    await file.handle.read(start, 0, 8, 0);
    return use(await (isTorchFile(start) ? openTorchFile(file, start) : openSafetensors(file)));
  });
}

/**
 * Reads every tensor of a .safetensors or of a file by `torch.save` (.pt, .pth, .bin), of which nothing is run: a
 * pickle's objects that are no tensors, dictionaries or lists are passed over. Tensors in nested dictionaries and lists
 * are named by the way to them: `model_state_dict.conv0.weight`. Floats become F32 (F64 is rounded), all else I64.
 * @throws UsageError naming file, tensor, expected and got, for a file that is not sound or holds what is not read.
 */
export function readTensors(path: string): Promise<Safetensors> {
  return withTensorFile(path, async (file) => {
    const tensors = new Map<string, Tensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  });
}
