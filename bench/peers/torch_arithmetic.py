"""The arithmetic around the U-Net in PyTorch: npm run bench:peer -- PyTorch qSample"""

import torch

import peer

_, task, _ = peer.start()
x0, eps, z = task["x0"], task["eps"], task["z"]
signal, noise = task["forward"].tolist()
recip, scale, sigma = task["ancestral"].tolist()
pixels = (torch.arange(x0.numel()) % 251).to(torch.uint8).reshape(x0.shape)


def work(compute):
    @torch.no_grad()
    def run():
        result = compute()
        return lambda: result

    return run


peer.serve(
    {
        "gaussian": work(lambda: torch.randn(x0.shape)),
        "qSample": work(lambda: signal * x0 + noise * eps),
        "pSample": work(lambda: recip * (x0 - scale * eps) + sigma * z),
        "toFloat": work(lambda: pixels.float() / 127.5 - 1),
    }
)
