"""diffusers' AutoencoderTiny in plain PyTorch: the same layers, names and order of operations, from a config.json."""
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = [layer for _ in range(3) for layer in (conv(width, width), nn.ReLU())]
        self.conv = nn.Sequential(*layers[:-1])
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x) + x)


class Half(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


def conv(inputs, outputs, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def encoder(c):
    width = c['encoder_block_out_channels'][0]
    for level, blocks in enumerate(c['num_encoder_blocks']):
        yield conv(c['in_channels'], width) if level == 0 else conv(width, width, stride=2, bias=False)
        yield from (Residual(width) for _ in range(blocks))
    yield conv(width, c['latent_channels'])


def decoder(c):
    width = c['decoder_block_out_channels'][0]
    yield conv(c['latent_channels'], width)
    yield nn.ReLU()
    for level, blocks in enumerate(c['num_decoder_blocks']):
        if level > 0:
            yield nn.Upsample(scale_factor=2, mode='nearest')
            yield conv(width, width, bias=False)
        yield from (Residual(width) for _ in range(blocks))
    yield conv(width, c['out_channels'])


class Tiny(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = {'in_channels': 3, 'out_channels': 3, 'encoder_block_out_channels': [64] * 4, 'decoder_block_out_channels': [64] * 4,
             'latent_channels': 4, 'num_encoder_blocks': [1, 3, 3, 3], 'num_decoder_blocks': [3, 3, 3, 1],
             'scaling_factor': 1.0, 'shift_factor': 0.0, **config}
        for name, value in {'act_fn': 'relu', 'upsample_fn': 'nearest', 'upsampling_scaling_factor': 2}.items():
            if c.get(name, value) != value:
                raise ValueError(f'{name}: expected {value}, got {c[name]}')
        self.scale, self.shift = c['scaling_factor'], c['shift_factor']
        self.encoder, self.decoder = Half(encoder(c)), Half(decoder(c))

    def encode(self, pictures):
        """What networks learn, of pictures in [-1, 1]."""
        return (self.encoder(pictures.add(1).div(2)) - self.shift) * self.scale

    def decode(self, latents):
        """The pictures of such latents."""
        return self.decoder(torch.tanh((latents / self.scale + self.shift) / 3) * 3).mul(2).sub(1)
