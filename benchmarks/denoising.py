"""Denoising autoencoders on held-out digits of MNIST against the noisy input and a 3×3 median filter, as PSNR.

Two corruptions: Gaussian noise of sigma 0.3, and half of the pixels set to black. Each model is trained on one of them by the
recipe `denoising`, fully connected and convolutional. PSNR is -10 log10 of an image's mean squared error, averaged over the test
images; grey levels run from 0 to 1, and every contender, the noisy input too, is clipped to them first.

LATENTE_DATA=FOLDER python benchmarks/denoising.py
"""

import argparse
import time

import torch
from scipy.ndimage import median_filter

from common import store
from latente import data, recipes
from latente.corruptions import Gaussian, Masking
from latente.training import Trainer, machine

NOISES = {"gaussian": (0.3, Gaussian(0.3)), "masking": (0.5, Masking(0.5))}
NETWORKS = {"mlp": {"hidden": [400]}, "conv": {"network": "conv", "hidden": [32, 64]}}


def psnr(x, found):
    error = (found.clamp(0, 1) - x).square().flatten(1).mean(1)
    return -10 * error.log10().mean().item()


def restored(model, noisy):
    with torch.no_grad():
        return torch.cat([model(part).likelihood.mean for part in noisy.split(500)])


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--mlp-steps", type=int, default=3000)
    arguments.add_argument("--conv-steps", type=int, default=600)
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--latent", type=int, default=20)
    options = arguments.parse_args()
    torch.set_num_threads(machine.free_cores())
    loaded, figures = data.load("mnist"), {}
    x, _ = loaded.test.batch(slice(None))
    for noise, (amount, corrupt) in NOISES.items():
        torch.manual_seed(0)
        noisy = corrupt(x).clamp(0, 1)
        filtered = torch.from_numpy(median_filter(noisy.numpy(), size=(1, 1, 3, 3)))
        found = {"noisy": psnr(x, noisy), "median filter": psnr(x, filtered)}
        for name, parts in NETWORKS.items():
            steps = options.conv_steps if name == "conv" else options.mlp_steps
            values, seconds = [], []
            for seed in range(options.seeds):
                torch.manual_seed(seed)
                started = time.perf_counter()
                plan = recipes.make(
                    "denoising", shape=(1, 28, 28), latent=options.latent, noise=noise, amount=amount, **parts
                )
                Trainer(plan.model, plan.objective, steps=steps, seed=seed, log_every=steps).fit(loaded.train)
                seconds.append(round(time.perf_counter() - started, 1))
                torch.manual_seed(0)
                values.append(psnr(x, restored(plan.model, corrupt(x))))
            found[name] = {"psnr": values, "steps": steps, "seconds": seconds}
        figures[f"{noise} {amount}"] = found
    store("denoising", {"latent": options.latent, "images": len(x), **figures})
