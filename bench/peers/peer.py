"""The Python side of a peer; see peer.ts."""

import argparse
import json
import math
import os
import sys
import time

import torch


def start(*switches):
    """Reads the command line, the task's tensors and its network's config, and sets PyTorch's number of threads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=1)
    for switch in switches:
        parser.add_argument(switch, action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args, *read(args.file)


def read(file):
    """A task's tensors, and the config.json of its network if it is one of diffusers, else None."""
    from safetensors import safe_open

    with safe_open(file, "pt") as task:
        config = (task.metadata() or {}).get("config")
        return {name: task.get_tensor(name) for name in task.keys()}, config and json.loads(config)


def digest(values):
    """Mean, root mean square, and eight values spread over them; one number is its own digest."""
    flat = values.reshape(-1).double()
    if len(flat) == 1:
        return flat.tolist()
    some = [flat[k * len(flat) // 8].item() for k in range(8)]
    return [flat.mean().item(), flat.square().mean().sqrt().item(), *some]


def torch_version():
    """PyTorch's version, with the widest vectors that it uses, since they determine its speed, and whether it was limited to them."""
    limit = ", limited" if "ATEN_CPU_CAPABILITY" in os.environ else ""
    return f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}{limit}"


def serve(works, version=torch_version(), threads=None):
    """
    Serves the requests on stdin. A work returns a function that gives its result, images in NHWC. `threads` if they differ
    from the command line's.
    """
    print(json.dumps({"version": version, "threads": threads}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        times = []
        batch = [request["batch"]] if "batch" in request else []
        for _ in range(request["repeat"]):
            begun = time.perf_counter()
            result = works[request["work"]](*batch)
            times.append(1000 * (time.perf_counter() - begun))
        ms = sorted(times)[len(times) // 2]
        # JSON has no NaN.
        values = [v if math.isfinite(v) else None for v in digest(result())]
        print(json.dumps({"ms": ms, "digest": values}), flush=True)
