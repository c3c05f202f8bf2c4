"""diffusers' DiTTransformer2DModel in plain PyTorch: the same layers, names and order of operations, from a config.json.

A network of one label is one without classes, as Haze reads it: the row that diffusers has for it is left out.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

SINUSOIDS = 256
EPS = 1e-6


class Condition(nn.Module):
    """The embedded timestep and label; each block has its own."""

    def __init__(self, width, labels):
        super().__init__()
        self.timestep_embedder = nn.ModuleDict({'linear_1': nn.Linear(SINUSOIDS, width), 'linear_2': nn.Linear(width, width)})
        if labels:
            # The last row is that of no label.
            self.class_embedder = nn.ModuleDict({'embedding_table': nn.Embedding(labels + 1, width)})

    def forward(self, sinusoids, label):
        time = self.timestep_embedder['linear_2'](F.silu(self.timestep_embedder['linear_1'](sinusoids)))
        return time + self.class_embedder['embedding_table'](label) if hasattr(self, 'class_embedder') else time


class Modulation(nn.Module):
    """Shift, scale and gate of a block's two branches, and its first norm."""

    def __init__(self, width, labels):
        super().__init__()
        self.emb = Condition(width, labels)
        self.linear = nn.Linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, EPS, elementwise_affine=False)

    def forward(self, x, sinusoids, label):
        shift, scale, gate, *second = self.linear(F.silu(self.emb(sinusoids, label)))[:, None].chunk(6, -1)
        return self.norm(x) * (1 + scale) + shift, gate, *second


class Attention(nn.Module):
    def __init__(self, heads, head):
        super().__init__()
        width = heads * head
        self.heads, self.head = heads, head
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = (to(x).view(n, tokens, self.heads, self.head).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width))


class Widen(nn.Module):
    def __init__(self, width, wide):
        super().__init__()
        self.proj = nn.Linear(width, wide)

    def forward(self, x):
        return F.gelu(self.proj(x), approximate='tanh')


class Block(nn.Module):
    def __init__(self, heads, head, labels, eps):
        super().__init__()
        width = heads * head
        self.norm1 = Modulation(width, labels)
        self.attn1 = Attention(heads, head)
        self.norm3 = nn.LayerNorm(width, eps, elementwise_affine=False)
        # Between the two, diffusers has the dropout.
        self.ff = nn.ModuleDict({'net': nn.Sequential(Widen(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))})

    def forward(self, x, sinusoids, label):
        y, gate, shift2, scale2, gate2 = self.norm1(x, sinusoids, label)
        x = x + gate * self.attn1(y)
        return x + gate2 * self.ff['net'](self.norm3(x) * (1 + scale2) + shift2)


def positions(side, base, width):
    """Sines and cosines of each token's column and row, which are stretched to the range of `base` tokens a side."""
    rates = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    at = (torch.arange(side, dtype=torch.float32) / (side / base)).double()
    angles = at[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    columns, rows = one.repeat(side, 1), one.repeat_interleave(side, 0)
    return torch.cat([columns, rows], 1).float()[None]


class Dit(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = {'num_attention_heads': 16, 'attention_head_dim': 72, 'in_channels': 4, 'num_layers': 28, 'sample_size': 32, 'patch_size': 2,
             'num_embeds_ada_norm': 1000, 'norm_eps': 1e-5, **config}
        plain = {'dropout': 0.0, 'attention_bias': True, 'activation_fn': 'gelu-approximate', 'upcast_attention': False,
                 'norm_type': 'ada_norm_zero', 'norm_elementwise_affine': False}
        for name, value in plain.items():
            if c.get(name, value) != value:
                raise ValueError(f'{name}: expected {value}, got {c[name]}')
        heads, head, patch, channels = c['num_attention_heads'], c['attention_head_dim'], c['patch_size'], c['in_channels']
        width = heads * head
        self.patch, self.channels, self.base = patch, c.get('out_channels') or channels, c['sample_size'] // patch
        self.pos_embed = nn.ModuleDict({'proj': nn.Conv2d(channels, width, patch, patch)})
        self.register_buffer('table', positions(self.base, self.base, width), persistent=False)
        self.transformer_blocks = nn.ModuleList(
            Block(heads, head, c['num_embeds_ada_norm'], c['norm_eps']) for _ in range(c['num_layers']))
        self.norm_out = nn.LayerNorm(width, EPS, elementwise_affine=False)
        self.proj_out_1 = nn.Linear(width, 2 * width)
        self.proj_out_2 = nn.Linear(width, patch**2 * self.channels)

    def forward(self, x, t, label=None):
        half = SINUSOIDS // 2
        rates = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * (-math.log(10000) / (half - 1)))
        angles = t[:, None].float() * rates
        sinusoids = torch.cat([angles.cos(), angles.sin()], -1)
        side = x.shape[-1] // self.patch
        h = self.pos_embed['proj'](x).flatten(2).transpose(1, 2)
        h = h + (self.table if side == self.base else positions(side, self.base, h.shape[-1]).to(h))
        for block in self.transformer_blocks:
            h = block(h, sinusoids, label)
        condition = self.transformer_blocks[0].norm1.emb(sinusoids, label)
        shift, scale = self.proj_out_1(F.silu(condition))[:, None].chunk(2, -1)
        h = self.proj_out_2(self.norm_out(h) * (1 + scale) + shift)
        h = h.view(-1, side, side, self.patch, self.patch, self.channels)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(-1, self.channels, side * self.patch, side * self.patch)
