"""PyTorch on the same GPU: what autoencoder.mjs measured, as JSON lines.

torch_autoencoder.py FOLDER MODES TF32 [REPEATS]: e.g. /tmp/hz/work/taesd eager,channels_last 1,0; FOLDER is what autoencoder.mjs wrote.
Times are of a picture, with the way to the GPU and back, one by one and all at once; "error" is the largest difference from Haze's results,
in their standard deviations.
"""
import json
import math
import os
import struct
import sys

import torch

from torch_diffusers import network
from torch_timing import about, allow_tf32, device, gpu, timed

MODES = ('eager', 'channels_last')
if len(sys.argv) not in (4, 5) or not set(sys.argv[2].split(',')) <= set(MODES) or not set(sys.argv[3].split(',')) <= {'0', '1'}:
    sys.exit(f'usage: torch_autoencoder.py FOLDER {"|".join(MODES)},... 0|1,... [REPEATS]')
folder, modes, tf32s, *more = sys.argv[1:]
repeats = int(more[0]) if more else 15


def read(name):
    """The tensors of a file in the folder, all of which are f32: there may be no safetensors here."""
    with open(os.path.join(folder, name), 'rb') as file:
        length, = struct.unpack('<Q', file.read(8))
        header, data = json.loads(file.read(length)), bytearray(file.read())
    header.pop('__metadata__', None)
    return {name: torch.frombuffer(data, dtype=torch.float32, count=math.prod(of['shape']), offset=of['data_offsets'][0]).view(of['shape'])
            for name, of in header.items()}


with open(os.path.join(folder, 'config.json')) as file:
    config = json.load(file)
weights, images = read('diffusion_pytorch_model.safetensors'), read('pictures.safetensors')
batch = len(images['pictures'])


def measure(mode, tf32):
    allow_tf32(tf32)
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if mode == 'channels_last' else torch.contiguous_format
    model = network(config).eval()
    model.load_state_dict(weights)
    model = model.to(device, memory_format=layout)
    row = {'by': 'torch', 'mode': mode, 'batch': batch, 'tf32': tf32}
    for what, given, expected in (('encode', 'pictures', 'encoded'), ('decode', 'latents', 'decoded')):
        work = getattr(model, what)

        def compute(images):
            return work(images.permute(0, 3, 1, 2).to(device).contiguous(memory_format=layout)).permute(0, 2, 3, 1).cpu()

        error = (compute(images[given]) - images[expected]).abs().max() / images[expected].std()
        row[f'{what}_error'] = float(f'{error.item():.1e}')
        for name, some in ('one', images[given][:1]), ('batch', images[given]):
            for _ in range(3):
                compute(some)
            row[f'{what}_{name}'] = {key: round(ms / len(some), 3) for key, ms in timed(lambda: compute(some), repeats).items()}
    print(json.dumps(row), flush=True)


print(json.dumps(about()), flush=True)
with torch.no_grad():
    for mode in modes.split(','):
        for tf32 in tf32s.split(','):
            measure(mode, tf32 == '1')
            if gpu:
                torch.cuda.empty_cache()
