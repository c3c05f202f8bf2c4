"""A U-Net in PyTorch, with fused Adam: npm run bench:peer -- "PyTorch compiled" train"""

import torch

import peer
from torch_networks import WAYS, Network, training, versions


def main():
    args, task, config = peer.start(*WAYS)
    net = Network(args, task, config)
    x, noise = (net.planes(task[name]) for name in ("xt", "noise"))
    t = task["t"].float()
    optimizer, loss_of = training(net.module, config)

    def images(y):
        return y.permute(0, 2, 3, 1)

    @torch.no_grad()
    def forward():
        net.module.eval()
        y = net.run(x, t)
        return lambda: images(y)

    def train():
        net.module.train()
        optimizer.zero_grad()
        loss = loss_of(net.run(x, t), noise)
        loss.backward()
        optimizer.step()
        return lambda: loss.detach()

    @torch.no_grad()
    def step():
        """A step of the ancestral sampler with fresh noise; the compared result uses the task's noise."""
        net.module.eval()
        recip, scale, sigma = task["ancestral"]
        mean = recip * (x - scale * net.run(x, t))
        _ = mean + sigma * torch.randn_like(mean)
        return lambda: images(mean + sigma * noise)

    works = {"forward": forward, "train": train, "reverse step": step}
    peer.serve(works, versions(config))


if __name__ == "__main__":
    main()
