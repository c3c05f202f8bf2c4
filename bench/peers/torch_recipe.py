"""
A run of Haze once more in PyTorch, on diffusers' UNet2DModel, from the run's config.json and with PyTorch's own random numbers:

    python bench/peers/torch_recipe.py runs/1 photos/                     the mean losses of both, by 250 steps
    python bench/peers/torch_recipe.py runs/1 photos/ --until 500         the first 500 steps alone
    python bench/peers/torch_recipe.py runs/1 photos/ --out cars.npz      and 1,000 samples, for judge.py
    python bench/peers/torch_recipe.py runs/1 photos/ --unshuffle         squares of 2x2 pixels as channels in place of the first level

It draws other noise than the run, so that losses agree within noise: repeat with --seed to see how large that is. The network is not
compiled: torch.compile of PyTorch 2.13 has given right losses with gradients of zero for most of it. Needs torch, diffusers, numpy and
pillow.
"""

import argparse
import copy
import glob
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from PIL import Image

EVERY = 250
# How its samples are drawn here.
DRAWN = {"sampler": "ddim", "eta": 1, "clamp": 1, "spacing": "linspace"}
# What is done here. A run that does something else is refused: a comparison with it would say nothing.
DONE = {
    "model": {"kind": "unet2d", "numClasses": None, "centerInput": False, "midScale": 1, "timeScaleShift": "default"},
    "diffusion": {"objective": "v", "schedule": "cosine", "loss": "l2"},
    "training": {
        "init": None,
        "decay": "linear",
        "accumulate": 1,
        "grow": None,
        "replicas": 1,
    },
    "data": {"fit": "squash", "heldOut": None, "classes": None},
}


def settings(run, draws):
    with open(os.path.join(run, "config.json")) as file:
        config = json.load(file)
    for part, wanted in {**DONE, **({"sampling": DRAWN} if draws else {})}.items():
        for name, value in wanted.items():
            got = config.get(part, {}).get(name, None if part == "sampling" else value)
            if got != value:
                sys.exit(f"{run}: expected {part}.{name} {value}, got {got}")
    if config["training"]["optimizer"] not in ("adamw", "muon"):
        sys.exit(f"{run}: expected adamw or muon, got {config['training']['optimizer']}")
    return config


def photographs(folder, config):
    """All pictures of a folder, [N, C, side, side] from -1 to 1."""
    files = sorted(f for f in glob.glob(os.path.join(folder, "**"), recursive=True) if os.path.isfile(f))
    size, mode = config["model"]["size"], "RGB" if config["model"]["channels"] == 3 else "L"
    pixels = [np.asarray(Image.open(f).convert(mode).resize((size, size), Image.BICUBIC)) for f in files]
    images = torch.from_numpy(np.stack(pixels)).float() / 127.5 - 1
    return images.reshape(len(files), size, size, -1).permute(0, 3, 1, 2).contiguous()


class Unshuffled(UNet2DModel):
    """Reads and predicts images with a quarter of the pixels and four times the channels."""

    def forward(self, x, t, return_dict=False):
        return (F.pixel_shuffle(super().forward(F.pixel_unshuffle(x, 2), t, return_dict=False)[0], 2),)


def network(m, unshuffle):
    if unshuffle:
        attends = {"downAttention": m["downAttention"][1:], "upAttention": m["upAttention"][:-1]}
        m = {**m, **attends, "size": m["size"] // 2, "channels": 4 * m["channels"], "widths": m["widths"][1:]}
    block = lambda attends, where: f"{'Attn' if attends else ''}{where}Block2D"
    net = (Unshuffled if unshuffle else UNet2DModel)(
        sample_size=m["size"],
        in_channels=m["channels"],
        out_channels=m["channels"],
        block_out_channels=m["widths"],
        layers_per_block=m["layers"],
        down_block_types=[block(a, "Down") for a in m["downAttention"]],
        up_block_types=[block(a, "Up") for a in m["upAttention"]],
        mid_block_type="UNetMidBlock2D" if m["mid"] else None,
        add_attention=m["midAttention"],
        attention_head_dim=m["headDim"],
        norm_num_groups=m["groups"],
        attn_norm_num_groups=m["attentionGroups"],
        norm_eps=m["eps"],
        flip_sin_to_cos=m["flipSinToCos"],
        freq_shift=m["freqShift"],
        downsample_padding=m["downPadding"],
        downsample_type=m["downType"],
        upsample_type=m["upType"],
        dropout=m["dropout"],
    )
    return net


def zero_branches(net):
    """The layer that ends each branch, and the network, begins as zero."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith(("conv2.weight", "conv_out.weight", "to_out.0.weight")):
                p.zero_()


def guide_step(keep, steps):
    """The step whose weights become the guide: a share, or from 1 on a number of steps, at most a quarter of all."""
    if keep is None:
        return None
    return max(1, round(keep * steps if keep < 1 else min(keep, steps / 4)))


def alpha_bars(timesteps):
    """The cosine schedule of Nichol & Dhariwal, whose betas end at 0.999."""
    f = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = [min(1 - f((t + 1) / timesteps) / f(t / timesteps), 0.999) for t in range(timesteps)]
    return torch.tensor(np.cumprod(1 - np.array(betas)), dtype=torch.float32)


def loss_weights(bars, gamma):
    """Hang et al. 2023: min(SNR, gamma) / (SNR + 1) for v; 1 without gamma."""
    snr = bars / (1 - bars)
    return torch.ones_like(bars) if gamma is None else snr.clamp(max=gamma) / (snr + 1)


def timesteps_of(count, timesteps, sampling):
    """Uniform, or logit-normal: sigmoids of normals."""
    if sampling == "uniform":
        return torch.randint(timesteps, (count,))
    return (torch.randn(count).sigmoid() * timesteps).long().clamp(max=timesteps - 1)


class Muon(torch.optim.Optimizer):
    """Jordan et al. 2024: momentum with Nesterov's step, made orthogonal by five Newton–Schulz iterations."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 0.05)
                matrix = p.grad.lerp(mean, 0.95).reshape(len(p), -1)
                rows, columns = matrix.shape
                update = self.orthogonal(matrix).reshape(p.shape)
                p.sub_(update, alpha=group["lr"] * math.sqrt(max(1, rows / columns)))

    @staticmethod
    def orthogonal(matrix):
        tall = matrix.shape[0] > matrix.shape[1]
        x = matrix.T if tall else matrix
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
        return x.T if tall else x


def optimizers(net, training):
    """Each with its highest rate."""
    firsts = ("conv_in", "conv_out", "time_embedding")
    muon = training["optimizer"] == "muon"
    matrices = [
        p for name, p in net.named_parameters() if muon and p.ndim > 1 and not name.startswith(firsts)
    ]
    ids = {id(p) for p in matrices}
    rest = [p for p in net.parameters() if id(p) not in ids]
    lr, decay = training["lr"], training["weightDecay"]
    adam = torch.optim.AdamW(
        rest, lr, betas=training["betas"], eps=training["epsilon"], weight_decay=decay, fused=True
    )
    found = [(adam, lr)]
    if matrices:
        found.append((Muon(matrices, training["muonLr"]), training["muonLr"]))
    return found


def train(net, images, config, until):
    """Yields the loss of each step. `net.average` and `net.guide` are what sampling needs."""
    training, batch = config["training"], config["training"]["batch"]
    bars = alpha_bars(config["diffusion"]["timesteps"])
    weights = loss_weights(bars, training["snrGamma"])
    found = optimizers(net, training)
    guide_at = guide_step(training["keepGuide"], training["steps"])
    average = copy.deepcopy(net) if training["ema"] else net
    net.average, net.guide = [average], []
    order = torch.empty(0, dtype=torch.long)
    for step in range(until):
        while len(order) < batch:
            order = torch.cat((order, torch.randperm(len(images))))
        chosen, order = order[:batch], order[batch:]
        x = images[chosen]
        if config["data"]["flip"]:
            x = torch.where((torch.rand(batch) < 0.5)[:, None, None, None], x.flip(3), x)
        t = timesteps_of(batch, len(bars), training["timeSampling"])
        noise = torch.randn_like(x)
        signal, spread = (b[:, None, None, None].sqrt() for b in (bars[t], 1 - bars[t]))
        errors = net(signal * x + spread * noise, t, return_dict=False)[0] - (signal * noise - spread * x)
        loss = (weights[t] * errors.square().mean(dim=(1, 2, 3))).mean()
        net.zero_grad()
        loss.backward()
        if training["clip"]:
            torch.nn.utils.clip_grad_norm_(net.parameters(), training["clip"])
        rising = min(1, (step + 1) / training["warmup"]) if training["warmup"] else 1
        floor = training["decayFloor"]
        left = floor + (1 - floor) * (1 - step / training["steps"])
        for optimizer, rate in found:
            for group in optimizer.param_groups:
                group["lr"] = rate * rising * left
            optimizer.step()
        if training["ema"]:
            k = step + 1
            decay = min(training["ema"][0], (1 + k) / (10 + k))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        if step + 1 == guide_at:
            net.guide = [copy.deepcopy(average)]
        yield loss.item()


@torch.no_grad()
def sample(net, config, count, guidance):
    """DDIM with eta 1 over timesteps from the last to 0, clamped: uint8 [count, side, side, C]."""
    model, steps = config["model"], config["sampling"]["steps"]
    bars = alpha_bars(config["diffusion"]["timesteps"])
    x = torch.randn(count, model["channels"], model["size"], model["size"])
    times = torch.linspace(len(bars) - 1, 0, steps).round().long().tolist()
    for t, following in zip(times, [*times[1:], None]):
        v = net.average[0](x, t, return_dict=False)[0]
        if net.guide and guidance != 1:
            v = guidance * v + (1 - guidance) * net.guide[0](x, t, return_dict=False)[0]
        bar = bars[t]
        x0 = (bar.sqrt() * x - (1 - bar).sqrt() * v).clamp(-1, 1)
        if following is None:
            x = x0
            continue
        noise = (x - bar.sqrt() * x0) / (1 - bar).sqrt()
        after = bars[following]
        sigma = ((1 - after) / (1 - bar) * (1 - bar / after)).sqrt()
        direction = (1 - after - sigma**2).clamp(min=0).sqrt()
        x = after.sqrt() * x0 + direction * noise + sigma * torch.randn_like(x)
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def mean(values):
    return sum(values) / len(values) if values else math.nan


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("photos")
    parser.add_argument("--until", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--unshuffle", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    config = settings(args.run, args.out is not None)
    with open(os.path.join(args.run, "metrics.jsonl")) as file:
        ours = [row["loss"] for row in map(json.loads, file) if "loss" in row]
    until = args.until or config["training"]["steps"]
    net = network(config["model"], args.unshuffle)
    if config["training"]["zeroInit"]:
        zero_branches(net)
    theirs = []
    images = photographs(args.photos, config)
    begun = time.perf_counter()
    print("steps              PyTorch     Haze")
    for loss in train(net, images, config, until):
        theirs.append(loss)
        if len(theirs) % EVERY == 0 or len(theirs) == until:
            begin = (len(theirs) - 1) // EVERY * EVERY
            both = (mean(theirs[begin:]), mean(ours[begin : len(theirs)]))
            print(f"{begin + 1:>6} to {len(theirs):>6}   " + "   ".join(f"{v:.4f}" for v in both), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s for {until} steps")
    if args.out:
        net.average[0].eval()
        [guide.eval() for guide in net.guide]
        parts = [min(100, args.count - i) for i in range(0, args.count, 100)]
        images = np.concatenate([sample(net, config, part, args.guidance) for part in parts])
        np.savez(args.out, arr_0=images)


if __name__ == "__main__":
    main()
