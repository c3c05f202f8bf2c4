"""diffusers' UNet2DModel in plain PyTorch: the same layers, names and order of operations, from a config.json."""
import math

import torch
import torch.nn.functional as F
from torch import nn


class Resnet(nn.Module):
    def __init__(self, inputs, outputs, time, groups, eps):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.norm2(h + self.time_emb_proj(F.silu(time))[:, :, None, None])
        h = self.conv2(F.silu(h))
        return (self.conv_shortcut(x) if hasattr(self, 'conv_shortcut') else x) + h


class Attention(nn.Module):
    def __init__(self, channels, head, groups, eps):
        super().__init__()
        self.heads = channels // head
        self.group_norm = nn.GroupNorm(groups, channels, eps)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        n, c, height, width = x.shape
        tokens = self.group_norm(x.view(n, c, -1)).transpose(1, 2)
        q, k, v = (to(tokens).view(n, -1, self.heads, c // self.heads).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, -1, c)
        return self.to_out[0](out).transpose(1, 2).reshape(n, c, height, width) + x


class Downsample(nn.Module):
    def __init__(self, channels, padding):
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, 2, padding)

    def forward(self, x):
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode='nearest'))


class Block(nn.Module):
    """Residual blocks, attention after each if it has any, and a change of resolution."""

    def __init__(self, resnets, attentions=(), **change):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        for name, module in change.items():
            if module is not None:
                setattr(self, name, nn.ModuleList([module]))

    def attend(self, i, x):
        return self.attentions[i](x) if hasattr(self, 'attentions') else x


class UNet2D(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = {'downsample_padding': 1, 'layers_per_block': 2, 'attention_head_dim': 8, 'norm_num_groups': 32, 'norm_eps': 1e-5, 'freq_shift': 0,
             'flip_sin_to_cos': True, **config}
        plain = {'act_fn': 'silu', 'resnet_time_scale_shift': 'default', 'class_embed_type': None, 'dropout': 0.0, 'mid_block_scale_factor': 1,
                 'center_input_sample': False, 'add_attention': True, 'attn_norm_num_groups': None, 'num_class_embeds': None,
                 'time_embedding_type': 'positional'}
        for name, value in plain.items():
            if c.get(name, value) != value:
                raise ValueError(f'{name}: expected {value}, got {c[name]}')
        widths, layers, groups, eps = c['block_out_channels'], c['layers_per_block'], c['norm_num_groups'], c['norm_eps']
        self.shift, self.flip, self.width = c['freq_shift'], c['flip_sin_to_cos'], widths[0]
        time = c.get('time_embedding_dim') or 4 * widths[0]
        self.conv_in = nn.Conv2d(c['in_channels'], widths[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({'linear_1': nn.Linear(widths[0], time), 'linear_2': nn.Linear(time, time)})

        def resnet(inputs, outputs):
            return Resnet(inputs, outputs, time, groups, eps)

        def attention(channels):
            return Attention(channels, c['attention_head_dim'] or channels, groups, eps)

        last = len(widths) - 1
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for level, (kind, width) in enumerate(zip(c['down_block_types'], widths)):
            before = widths[max(0, level - 1)]
            self.down_blocks.append(Block(
                [resnet(before if i == 0 else width, width) for i in range(layers)],
                [attention(width) for _ in range(layers)] if kind == 'AttnDownBlock2D' else (),
                downsamplers=Downsample(width, c['downsample_padding']) if level < last else None))
        self.mid_block = Block([resnet(widths[-1], widths[-1]) for _ in range(2)], [attention(widths[-1])])
        back = widths[::-1]
        for level, (kind, width) in enumerate(zip(c['up_block_types'], back)):
            before, skip = back[max(0, level - 1)], back[min(level + 1, last)]
            self.up_blocks.append(Block(
                [resnet((before if i == 0 else width) + (skip if i == layers else width), width) for i in range(layers + 1)],
                [attention(width) for _ in range(layers + 1)] if kind == 'AttnUpBlock2D' else (),
                upsamplers=Upsample(width) if level < last else None))
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps)
        self.conv_out = nn.Conv2d(widths[0], c['out_channels'], 3, padding=1)

    def forward(self, x, t):
        half = self.width // 2
        rates = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * (-math.log(10000) / (half - self.shift)))
        angles = t[:, None].float() * rates[None]
        parts = [angles.sin(), angles.cos()]
        time = torch.cat(parts[::-1] if self.flip else parts, -1)
        time = self.time_embedding['linear_2'](F.silu(self.time_embedding['linear_1'](time)))
        h = self.conv_in(x)
        skips = [h]
        for block in self.down_blocks:
            for i, resnet in enumerate(block.resnets):
                h = block.attend(i, resnet(h, time))
                skips.append(h)
            if hasattr(block, 'downsamplers'):
                h = block.downsamplers[0](h)
                skips.append(h)
        h = self.mid_block.resnets[1](self.mid_block.attend(0, self.mid_block.resnets[0](h, time)), time)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                h = block.attend(i, resnet(torch.cat([h, skips.pop()], 1), time))
            if hasattr(block, 'upsamplers'):
                h = block.upsamplers[0](h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))
