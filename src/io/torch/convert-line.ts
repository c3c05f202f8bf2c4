/** For files that only PyTorch itself can read: the line of Python that converts one to .safetensors. */
import { extname } from 'node:path';
import { shellWord } from '../../shell-word.js';

/**
 * Flattens nested dictionaries and lists into names joined by dots, like `readTensors`; prefixes stay, since the reader of
 * the names handles them. Tensors are made contiguous and separate, as safetensors requires.
 */
const PROGRAM = [
  'import sys, torch, safetensors.torch as s',
  'pairs = lambda v: v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, (list, tuple)) else ()',
  "flat = lambda v, p: [(p[:-1], v)] if torch.is_tensor(v) else [t for k, w in pairs(v) for t in flat(w, f'{p}{k}.')]",
  "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True)",
  "s.save_file({k: v.detach().clone().contiguous() for k, v in flat(d, '')}, sys.argv[2])",
].join('; ');

/** `Convert it once, with PyTorch:` and the command, on its own line. */
export function convertLine(path: string): string {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  // A file with the wrong extension is not overwritten.
  const target = `${stem}${extension === '.safetensors' ? '.converted' : ''}.safetensors`;
  return `Convert it once, with PyTorch:\n  python -c "${PROGRAM}" ${shellWord(path)} ${shellWord(target)}`;
}
