"""The measured networks in PyTorch: the reference's U-Net, and diffusers' own UNet2DModel and DiTTransformer2DModel."""

import hashlib
import os
import platform
import tempfile

import torch
import torch.nn.functional as F
from torch import nn

import peer

# PyTorch's ways of running a network: switches of the peers' command lines.
WAYS = ("--channels-last", "--compile")


class Stage(nn.Module):
    """Two convolutions with norms and the time embedding between them, then a change of resolution."""

    def __init__(self, inputs, outputs, time_dim, up, shared):
        super().__init__()
        self.time_mlp = nn.Linear(time_dim, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        change = nn.ConvTranspose2d if up else nn.Conv2d
        self.transform = change(outputs, outputs, 4, 2, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shared = shared
        if shared:
            self.bnorm = nn.BatchNorm2d(outputs)
        else:
            self.bnorm1 = nn.BatchNorm2d(outputs)
            self.bnorm2 = nn.BatchNorm2d(outputs)

    def forward(self, x, time_embedding):
        first, second = (self.bnorm, self.bnorm) if self.shared else (self.bnorm1, self.bnorm2)
        h = first(F.relu(self.conv1(x)))
        h = h + F.relu(self.time_mlp(time_embedding))[:, :, None, None]
        return self.transform(second(F.relu(self.conv2(h))))


class Sinusoids(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = dim // 2
        rates = torch.exp(torch.arange(half) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, t):
        angles = t[:, None] * self.rates[None]
        return torch.cat((angles.sin(), angles.cos()), -1)


class Unet(nn.Module):
    def __init__(self, widths, channels, time_dim, shared):
        super().__init__()
        self.time_mlp = nn.Sequential(Sinusoids(time_dim), nn.Linear(time_dim, time_dim), nn.ReLU())
        self.conv0 = nn.Conv2d(channels, widths[0], 3, padding=1)
        down = zip(widths, widths[1:])
        up = zip(widths[::-1], widths[::-1][1:])
        self.downs = nn.ModuleList(Stage(i, o, time_dim, False, shared) for i, o in down)
        self.ups = nn.ModuleList(Stage(2 * i, o, time_dim, True, shared) for i, o in up)
        self.output = nn.Conv2d(widths[0], channels, 1)

    def forward(self, x, t):
        time_embedding = self.time_mlp(t)
        h = self.conv0(x)
        skips = []
        for stage in self.downs:
            h = stage(h, time_embedding)
            skips.append(h)
        for stage in self.ups:
            h = stage(torch.cat((h, skips.pop()), 1), time_embedding)
        return self.output(h)


def reference(state):
    """The reference's network for these weights: its architecture follows from their shapes."""
    first, channels = state["conv0.weight"].shape[:2]
    widths = [first]
    while f"downs.{len(widths) - 1}.conv1.weight" in state:
        widths.append(state[f"downs.{len(widths) - 1}.conv1.weight"].shape[0])
    shared = "downs.0.bnorm.weight" in state
    return Unet(widths, channels, state["time_mlp.1.weight"].shape[0], shared)


DIT = "DiTTransformer2DModel"


def diffusers_network(config):
    """The network of a config.json, whose forward takes and returns tensors alone."""
    return diffusers_dit(config) if config.get("_class_name") == DIT else diffusers_unet(config)


def diffusers_unet(config):
    from diffusers import UNet2DModel

    class Unet2d(UNet2DModel):
        # A tensor, not an object that contains one.
        def forward(self, x, t):
            return super().forward(x, t, return_dict=False)[0]

    return Unet2d.from_config(config)


def diffusers_dit(config):
    """Without classes: its table of embeddings, which diffusers cannot omit, has zeros and is not trained."""
    from diffusers import DiTTransformer2DModel

    class Dit(DiTTransformer2DModel):
        def forward(self, x, t):
            labels = torch.zeros(len(x), dtype=torch.long, device=x.device)
            return super().forward(x, t, labels, return_dict=False)[0]

    net = Dit.from_config(config)
    for block in net.transformer_blocks:
        classes = block.norm1.emb.class_embedder
        # No label is dropped at random.
        classes.dropout_prob = 0
        torch.nn.init.zeros_(classes.embedding_table.weight).requires_grad_(False)
    return net


def load(task, config):
    """The network with the task's weights."""
    state = {k[6:]: v for k, v in task.items() if k.startswith("state/")}
    net = diffusers_network(config) if config else reference(state)
    lacking = net.load_state_dict(state, strict=False)
    if lacking.unexpected_keys or any("class_embedder" not in name for name in lacking.missing_keys):
        raise ValueError(f"other weights than the network's: {lacking}")
    return net


def versions(config):
    if config is None:
        return peer.torch_version()
    from diffusers import __version__

    return f"{peer.torch_version()}, diffusers {__version__}"


def processor():
    """Identifies the processor by its features: in virtual machines the model name is not enough."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line for line in file if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()


def separate_caches():
    """
    Gives each processor, and each limit of its vectors, its own folder of compiled networks. Inductor compiles for the current
    ones, but does not check which a cached network was compiled for; one for others computes NaN or crashes.
    """
    limits = [torch.__version__, torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA", "")]
    machine = "\n".join([processor(), *limits])
    name = f"haze-inductor-{hashlib.sha256(machine.encode()).hexdigest()[:16]}"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(tempfile.gettempdir(), name))


class Network:
    """A network in the memory format and mode of the command line."""

    def __init__(self, args, task, config):
        if args.compile:
            # First: diffusers, once it is loaded, has made PyTorch choose a folder.
            separate_caches()
        self.layout = torch.channels_last if args.channels_last else torch.contiguous_format
        self.module = load(task, config).to(memory_format=self.layout)
        # Each shape is compiled separately: one program for several batches would be slower.
        self.run = torch.compile(self.module, dynamic=False) if args.compile else self.module

    def planes(self, x):
        """NHWC to the layout."""
        return x.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)


def training(module, config):
    """The optimizer and the loss of a network: Adam and L1 as in the reference, AdamW and MSE as in diffusers and for DiT."""
    if config:
        decay = 0 if config.get("_class_name") == DIT else 0.01
        return torch.optim.AdamW(module.parameters(), 1e-4, weight_decay=decay, fused=True), F.mse_loss
    return torch.optim.Adam(module.parameters(), 1e-3, fused=True), F.l1_loss
