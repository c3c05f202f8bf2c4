"""Draws whole images in PyTorch with the loop of the reference: npm run bench:peer -- PyTorch ancestral --preset tiny"""

import torch

import peer
from torch_networks import WAYS, Network, versions


def main():
    args, task, config = peer.start(*WAYS)
    net = Network(args, task, config)
    net.module.eval()
    start = net.planes(task["xt"])
    noise = [net.planes(z) for z in task["noise"]]
    times = task["t"].float()
    rows = task["ancestral"].tolist()

    def sample(first, batch):
        x = start[first : first + batch]
        for step, (recip, scale, sigma) in enumerate(rows):
            x = recip * (x - scale * net.run(x, times[step].expand(len(x))))
            if sigma > 0:
                # Draws fresh noise, as the loop must, but adds the task's, so that the images can be compared.
                torch.randn_like(x)
                x = x + sigma * noise[step][first : first + batch]
        return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)

    @torch.inference_mode()
    def ancestral(batch):
        images = torch.cat([sample(first, batch) for first in range(0, len(start), batch)])
        return lambda: images.permute(0, 2, 3, 1).float() / 127.5 - 1

    peer.serve({"ancestral": ancestral}, versions(config))


if __name__ == "__main__":
    main()
