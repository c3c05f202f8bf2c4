/**
 * PyTorch's own files (`.pt`, `.pth`) are zipped pickles: programs, not data. Haze does not run them; it
 * recognises them and says how to convert them.
 */
import { extname } from 'node:path';
import { shellWord } from '../shell-word.js';

const EXTENSIONS = new Set(['.pt', '.pth', '.pkl', '.pickle', '.ckpt', '.zip', '.tar']);

/** Whether a path or, where given, a file's first 8 bytes are those of a pickle, or of a zip that holds one. */
export function isPickle(path: string, start: Uint8Array = new Uint8Array(8)): boolean {
  const zip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4; // PK\3\4
  // Opcode PROTO, a protocol of 2 to 5, and then not the zeros of a safetensors length.
  const pickle = start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5 && start[7] !== 0;
  return zip || pickle || EXTENSIONS.has(extname(path).toLowerCase());
}

/** What to say of such a file: the one line of Python that converts it. */
export function pickleMessage(path: string): string {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  // A pickle by a wrong name is not written over.
  const target = `${stem}${extension === '.safetensors' ? '.converted' : ''}.safetensors`;
  return (
    `${path}: expected a .safetensors file, got a PyTorch pickle, which Haze does not run. Convert it once:\n` +
    `  python -c "import sys, torch, safetensors.torch as s; ` +
    `d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); ` +
    `s.save_file({k: v.clone().contiguous() for k, v in d.items()}, sys.argv[2])" ` +
    `${shellWord(path)} ${shellWord(target)}`
  );
}
