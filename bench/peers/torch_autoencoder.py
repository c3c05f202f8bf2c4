"""diffusers' autoencoders, for bench/autoencoder.ts; the task's config has their config.json, the folder of the weights and the learning rate."""

import diffusers
import torch
import torch.nn.functional as F

import peer
from torch_networks import separate_caches, versions


def main():
    args, task, config = peer.start("--channels-last", "--compile", "--make")
    cls = getattr(diffusers, config["json"]["_class_name"])
    if args.make:
        torch.manual_seed(0)
        cls.from_config(config["json"]).save_pretrained(config["folder"])
        return
    if args.compile:
        separate_caches()

    def load():
        layout = torch.channels_last if args.channels_last else torch.contiguous_format
        return cls.from_pretrained(config["folder"]).to(memory_format=layout)

    model = load().eval()

    def encode(x, by=model):
        encoded = by.encode(x)
        return encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()

    def planes(values):
        x = values.permute(0, 3, 1, 2).contiguous()
        return x.to(memory_format=torch.channels_last) if args.channels_last else x

    def compiled(run):
        return torch.compile(run) if args.compile else run

    def work(run, values):
        x, run = planes(values), compiled(run)

        @torch.no_grad()
        def once():
            y = run(x)
            return lambda: y.permute(0, 2, 3, 1).contiguous()

        return once

    def training(values):
        """A step as haze autoencoder's, with the posterior's means."""
        net, x = load().train(), planes(values)
        run = compiled(lambda x: net.decode(encode(x, net)).sample)
        optimizer = torch.optim.AdamW(net.parameters(), config["lr"], (0.9, 0.99), weight_decay=0.01, fused=True)

        def step():
            optimizer.zero_grad()
            loss = F.l1_loss(run(x), x)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            return lambda: loss.detach()

        return step

    works = {
        "encode": work(encode, task["picture"]),
        "decode": work(lambda z: model.decode(z).sample, task["latents"]),
    }
    if config["lr"] is not None:
        works["train"] = training(task["pictures"])
    peer.serve(works, versions({}))


if __name__ == "__main__":
    main()
