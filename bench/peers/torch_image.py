"""Draws one picture with diffusers and ends. The process is started for each picture, by torch_one_image.py."""

import argparse
import os

import torch
from diffusers import DDIMScheduler, DiTTransformer2DModel, UNet2DModel
from PIL import Image
from safetensors.torch import load_file


def load(model):
    if os.path.isdir(os.path.join(model, "unet")):
        return UNet2DModel.from_pretrained(model, subfolder="unet")
    return DiTTransformer2DModel.from_pretrained(model, subfolder="transformer")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    task = load_file(args.file)
    model = os.path.join(os.path.dirname(args.file), "model")
    net = load(model).to(memory_format=layout).eval()
    # Of the only class, that of a network without.
    labels = {"class_labels": torch.zeros(1, dtype=torch.long)} if isinstance(net, DiTTransformer2DModel) else {}
    scheduler = DDIMScheduler.from_pretrained(model, subfolder="scheduler")
    scheduler.set_timesteps(task["steps"].item())
    x = task["xt"].permute(0, 3, 1, 2).contiguous(memory_format=layout)
    with torch.inference_mode():
        for t in scheduler.timesteps:
            x = scheduler.step(net(x, t[None], **labels).sample, t, x).prev_sample
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).save(args.out)


if __name__ == "__main__":
    main()
