/** For a file that only PyTorch itself can read: the line of Python that makes a .safetensors of it. */
import { extname } from 'node:path';
import { shellWord } from '../../shell-word.js';

/**
 * Flattens nested dictionaries and lists into names joined by dots, as `readTensors` does; prefixes stay, since what reads the
 * names copes with them. Tensors are made contiguous and separate, as safetensors wants them.
 */
const PROGRAM = [
  'import sys, torch, safetensors.torch as s',
  'pairs = lambda v: v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, (list, tuple)) else ()',
  "flat = lambda v, p: [(p[:-1], v)] if torch.is_tensor(v) else [t for k, w in pairs(v) for t in flat(w, f'{p}{k}.')]",
  "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True)",
  "s.save_file({k: v.detach().clone().contiguous() for k, v in flat(d, '')}, sys.argv[2])",
].join('; ');

/** `Convert it once, where PyTorch is:` and the command, on a line of its own. */
export function convertLine(path: string): string {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  // A file by a wrong name is not written over.
  const target = `${stem}${extension === '.safetensors' ? '.converted' : ''}.safetensors`;
  return `Convert it once, where PyTorch is:\n  python -c "${PROGRAM}" ${shellWord(path)} ${shellWord(target)}`;
}
