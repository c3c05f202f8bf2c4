"""Writes the U-Net of a task as ONNX, for onnxruntime: export_onnx.py TASK OUT.onnx"""

import sys

import torch

import peer
from torch_networks import load

task, config = peer.read(sys.argv[1])
x = task["xt"].permute(0, 3, 1, 2).contiguous()
inputs = (x, task["t"].float())
torch.onnx.export(
    load(task, config).eval(),
    inputs,
    sys.argv[2],
    input_names=["x", "t"],
    output_names=["eps"],
    opset_version=17,
    dynamo=False,
)
