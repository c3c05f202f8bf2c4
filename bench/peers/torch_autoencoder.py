"""diffusers' autoencoders, for bench/autoencoder.ts; the task's config names the class and the folder of the weights."""

import diffusers
import torch

import peer
from torch_networks import separate_caches, versions


def main():
    args, task, config = peer.start("--channels-last", "--compile", "--make")
    cls = getattr(diffusers, config["class"])
    if args.make:
        torch.manual_seed(0)
        cls(**config["arguments"]).save_pretrained(config["folder"])
        return
    if args.compile:
        separate_caches()
    model = cls.from_pretrained(config["folder"]).eval()
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)

    def encode(x):
        encoded = model.encode(x)
        return encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()

    works = {"encode": (encode, task["picture"]), "decode": (lambda z: model.decode(z).sample, task["latents"])}

    def work(run, values):
        x = values.permute(0, 3, 1, 2).contiguous()
        if args.channels_last:
            x = x.to(memory_format=torch.channels_last)
        run = torch.compile(run) if args.compile else run

        @torch.no_grad()
        def once():
            y = run(x)
            return lambda: y.permute(0, 2, 3, 1).contiguous()

        return once

    peer.serve({name: work(*of) for name, of in works.items()}, versions({}))


if __name__ == "__main__":
    main()
