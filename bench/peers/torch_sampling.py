"""Draws whole images in PyTorch: npm run bench:peer -- PyTorch ddim --preset unet2d-32

`ancestral` is the loop of the reference, `ddim` that of diffusers' DDIMScheduler with eta 0, without a pipeline's other work.
"""

import torch

import peer
from torch_networks import WAYS, Network, versions


def main():
    args, task, config = peer.start(*WAYS)
    net = Network(args, task, config)
    net.module.eval()
    start = net.planes(task["xt"])
    times = task["t"].float()
    fresh = [net.planes(z) for z in task.get("noise", [])]

    def predict(x, step):
        return net.run(x, times[step].expand(len(x)))

    def ancestral(first, batch):
        x = start[first : first + batch]
        for step, (recip, scale, sigma) in enumerate(task["ancestral"].tolist()):
            x = recip * (x - scale * predict(x, step))
            if sigma > 0:
                # Draws fresh noise, as the loop must, but adds the task's, so that the images can be compared.
                torch.randn_like(x)
                x = x + sigma * fresh[step][first : first + batch]
        return x

    def ddim(first, batch):
        x = start[first : first + batch]
        for step, (recip, noise, signal, direction, _) in enumerate(task["ddim"].tolist()):
            estimate = predict(x, step)
            x = signal * (x - noise * estimate) * recip + direction * estimate
        return x

    def images(draw):
        @torch.inference_mode()
        def work(batch):
            drawn = [draw(first, batch) for first in range(0, len(start), batch)]
            pixels = ((torch.cat(drawn).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            return lambda: pixels.permute(0, 2, 3, 1).float() / 127.5 - 1

        return work

    peer.serve({"ancestral": images(ancestral), "ddim": images(ddim)}, versions(config))


if __name__ == "__main__":
    main()
