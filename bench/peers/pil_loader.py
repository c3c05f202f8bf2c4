"""A folder of pictures by PIL and numpy, on a pool of threads: npm run bench:peer -- "PIL and numpy" load"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

import peer

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--size", type=int, required=True)
args = parser.parse_args()
files = sorted(Path(args.folder).glob("*.jpg"))
pool = ThreadPoolExecutor(args.threads)


def load_one(numbered):
    """Decoded, scaled, in [-1, 1], every second one mirrored."""
    i, file = numbered
    with Image.open(file) as image:
        small = image.convert("RGB").resize((args.size, args.size), Image.BILINEAR)
    pixels = np.asarray(small, dtype=np.float32) / 127.5 - 1
    return pixels[:, ::-1] if i & 1 else pixels


def load():
    batch = np.stack(list(pool.map(load_one, enumerate(files))))
    return lambda: torch.from_numpy(batch)


peer.serve({"load": load}, f"PIL {PIL.__version__}, numpy {np.__version__}")
