"""Compares the gradients of diffusers' UNet2DModel or DiTTransformer2DModel in PyTorch, compiled, with those of eager mode, and times a training step of both:

    python bench/peers/torch_gradients.py config.json --batch 8 --rounds 5

Prints for each way how many parameters get a gradient of exactly 0 where eager mode has another, the largest difference of the others as
a share of a tensor's largest gradient (the biases of attention's keys aside, which have no gradient but rounding), and milliseconds.
"""

import argparse
import copy
import json
import statistics
import time

import torch

from torch_networks import diffusers_network, separate_caches, training


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    separate_caches()
    torch.manual_seed(0)
    with open(args.config) as file:
        config = json.load(file)
    module = diffusers_network(config)
    shape = (args.batch, module.config.in_channels, module.config.sample_size, module.config.sample_size)
    batch = torch.randn(shape), torch.randn(shape), torch.randint(0, 300, (args.batch,)).float()
    ways = {
        "eager": Step(copy.deepcopy(module), config, batch, None),
        "compiled": Step(copy.deepcopy(module), config, batch, torch.contiguous_format),
        "compiled channels_last": Step(copy.deepcopy(module), config, batch, torch.channels_last),
    }
    # The first step of each starts from the same weights.
    for step in ways.values():
        step()
    eager = ways["eager"].gradients()
    compared = {name: difference(step.gradients(), eager) for name, step in ways.items()}
    times = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, step in ways.items():
            times[name].append(step())
    for name, (zeros, apart) in compared.items():
        ms = statistics.median(times[name])
        print(f"{name}: {zeros} of {len(eager)} gradients missing, the others {apart:.1g} apart, {ms:.0f} ms a step")


class Step:
    """A training step of one way; a call takes it and returns its milliseconds."""

    def __init__(self, module, config, batch, compiled):
        layout = compiled or torch.contiguous_format
        self.module = module.to(memory_format=layout).train()
        self.run = torch.compile(self.module, dynamic=False) if compiled else self.module
        x, noise, self.t = batch
        self.x, self.noise = (images.contiguous(memory_format=layout) for images in (x, noise))
        self.optimizer, self.loss_of = training(self.module, config)

    def __call__(self):
        begun = time.perf_counter()
        self.optimizer.zero_grad()
        self.loss_of(self.run(self.x, self.t), self.noise).backward()
        self.optimizer.step()
        return 1000 * (time.perf_counter() - begun)

    def gradients(self):
        return {name: p.grad.clone() for name, p in self.module.named_parameters() if p.requires_grad}


def difference(gradients, eager):
    """The number of missing gradients, and the largest difference of the others."""
    missing, apart = 0, 0.0
    for name, expected in eager.items():
        largest = expected.abs().max().item()
        if name.endswith("to_k.bias") or largest == 0:
            continue
        got = gradients[name]
        if not got.any():
            missing += 1
        else:
            apart = max(apart, (got - expected).abs().max().item() / largest)
    return missing, apart


if __name__ == "__main__":
    main()
