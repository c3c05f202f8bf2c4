"""Networks of diffusers in plain PyTorch, for a machine without diffusers.

torch_diffusers.py FIXTURE [...]: compares them with what diffusers computed (test/fixtures/{unet2d,dit,autoencoder}/*.safetensors; needs
safetensors), where they have all of the config's settings.
"""
import json
import sys

import torch

from torch_dit import Dit
from torch_tiny import Tiny
from torch_unet2d import UNet2D

NETWORKS = {'UNet2DModel': UNet2D, 'DiTTransformer2DModel': Dit, 'AutoencoderTiny': Tiny}


def network(config):
    """The network of a config.json with fresh weights; one without a class is a UNet2DModel's. ValueError for settings that it lacks."""
    name = config.get('_class_name', 'UNet2DModel')
    if name not in NETWORKS:
        raise ValueError(f'_class_name: expected one of {", ".join(NETWORKS)}, got {name}')
    return NETWORKS[name](config)


def check(path):
    """The largest difference from diffusers' outputs for a fixture's weights."""
    from safetensors import safe_open

    with safe_open(path, 'pt') as file:
        metadata, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    if 'config' not in metadata:
        raise ValueError('a fixture of another network')
    net = network(json.loads(metadata['config']))
    state = {name.split('/', 1)[1]: value for name, value in tensors.items() if name.startswith(('state0/', 'state/'))}
    net.load_state_dict(state)
    with torch.no_grad():
        if isinstance(net, Tiny):
            pairs = [(net.encode(tensors['x']), tensors['latents']), (net.decode(tensors['drawn']), tensors['decoded'])]
        else:
            inputs = [tensors[name] for name in ('x', 't', 'label') if name in tensors]
            pairs = [(net(*inputs), tensors['out'])]
    return max((got - expected).abs().max().item() for got, expected in pairs)


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit('usage: torch_diffusers.py FIXTURE [...]')
    for path in sys.argv[1:]:
        try:
            print(f'{check(path):.1e} {path}')
        except ValueError as error:
            print(f'not compared, {error}: {path}')
