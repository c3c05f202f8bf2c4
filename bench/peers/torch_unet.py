"""PyTorch's U-Net of the reference, trained by fused Adam: npm run bench:peer -- PyTorch train"""

import torch
import torch.nn.functional as F
from torch import nn

import peer


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


def load(task):
    """The network with the task's weights; its architecture is read off their shapes."""
    state = {k[6:]: v for k, v in task.items() if k.startswith("state/")}
    first, channels = state["conv0.weight"].shape[:2]
    widths = [first]
    while f"downs.{len(widths) - 1}.conv1.weight" in state:
        widths.append(state[f"downs.{len(widths) - 1}.conv1.weight"].shape[0])
    shared = "downs.0.bnorm.weight" in state
    net = Unet(widths, channels, state["time_mlp.1.weight"].shape[0], shared)
    net.load_state_dict(state)
    return net


def main():
    args, task = peer.start("--channels-last")
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    net = load(task).to(memory_format=layout)
    x, noise = (task[k].permute(0, 3, 1, 2).contiguous(memory_format=layout) for k in ("xt", "noise"))
    t = task["t"].float()
    adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

    def images(y):
        return y.permute(0, 2, 3, 1)

    @torch.no_grad()
    def forward():
        net.eval()
        y = net(x, t)
        return lambda: images(y)

    def train():
        net.train()
        adam.zero_grad()
        loss = F.l1_loss(noise, net(x, t))
        loss.backward()
        adam.step()
        return lambda: loss.detach()

    @torch.no_grad()
    def step():
        """A step of the ancestral sampler with fresh noise; what is compared has the noise of the task."""
        net.eval()
        recip, scale, sigma = task["ancestral"]
        mean = recip * (x - scale * net(x, t))
        _ = mean + sigma * torch.randn_like(mean)
        return lambda: images(mean + sigma * noise)

    peer.serve({"forward": forward, "train": train, "reverse step": step})


if __name__ == "__main__":
    main()
