"""Times on PyTorch's device: the GPU, or the processor without one."""
import statistics
import time

import torch

gpu = torch.cuda.is_available()
device = torch.device('cuda' if gpu else 'cpu')


def about():
    """What was measured on, for the first line of results."""
    name = torch.cuda.get_device_name() if gpu else 'cpu'
    return {'by': 'torch', 'version': torch.__version__, 'device': name, 'cudnn': torch.backends.cudnn.version(), 'parameters': 'f32'}


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def sync():
    if gpu:
        torch.cuda.synchronize()


def timed(work, count):
    """Milliseconds of one run, each from an idle device to an idle device."""
    times = []
    for _ in range(count):
        sync()
        begun = time.perf_counter()
        work()
        sync()
        times.append(1000 * (time.perf_counter() - begun))
    return {'ms': round(statistics.median(times), 3), 'best': round(min(times), 3), 'worst': round(max(times), 3)}
