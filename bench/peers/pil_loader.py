"""
Loads a folder of pictures with PIL and numpy through PyTorch's DataLoader: npm run bench:peer -- "PIL and numpy" load. It decodes in the
main process, as a DataLoader does by default, or with --workers in worker processes: "PIL and numpy in workers".
"""

import argparse
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import peer

# Images per batch.
BATCH = 8


class Pictures(Dataset):
    """Decoded, scaled, in [-1, 1], every second one mirrored."""

    def __init__(self, folder, size):
        self.files = sorted(Path(folder).glob("*.jpg"))
        self.size = size

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with Image.open(self.files[i]) as image:
            small = image.convert("RGB").resize((self.size, self.size), Image.BILINEAR)
        pixels = np.asarray(small, dtype=np.float32) / 127.5 - 1
        return np.ascontiguousarray(pixels[:, ::-1]) if i & 1 else pixels


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--workers", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    workers = args.threads if args.workers else 0
    pictures = Pictures(args.folder, args.size)
    # Persistent workers are running before the timing starts.
    loader = DataLoader(pictures, BATCH, num_workers=workers, persistent_workers=workers > 0)

    def load():
        batch = torch.cat(list(loader))
        return lambda: batch

    versions = f"PIL {PIL.__version__}, numpy {np.__version__}, torch {torch.__version__}"
    peer.serve({"load": load}, versions, max(1, workers))


if __name__ == "__main__":
    main()
