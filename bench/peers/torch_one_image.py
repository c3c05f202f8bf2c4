"""Draws one picture in a program of its own, whose start counts: npm run bench:peer -- PyTorch "one image" --preset unet2d-32"""

import os
import subprocess
import sys

import numpy
import torch
from PIL import Image

import peer
from torch_networks import versions


def main():
    args, *_ = peer.start("--channels-last")
    out = os.path.join(os.path.dirname(args.file), f"{os.getpid()}.png")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_image.py")
    command = [sys.executable, script, *sys.argv[1:], "--out", out]

    def one_image():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return lambda: torch.from_numpy(numpy.asarray(Image.open(out))).float() / 127.5 - 1

    peer.serve({"one image": one_image}, versions({}))


if __name__ == "__main__":
    main()
