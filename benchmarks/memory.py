"""Peak memory of training on 60,000 images, over the bare torch process, and of the demo."""

import resource
import subprocess
import sys

from common import run_latente, store

BARE = "import torch, resource; torch.ones(8) @ torch.ones(8)"
TRAIN = """
import resource
from latente import data, recipes
from latente.training import Trainer
loaded = data.load("fashion").binarised("dynamic")
plan = recipes.make("vae", shape=[1, 28, 28])
Trainer(plan.model, plan.objective, steps=1000).fit(loaded.train, loaded.validation)
"""
PEAK = "\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"


def peak(code):
    done = subprocess.run([sys.executable, "-c", code + PEAK], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    bare, train = peak(BARE), peak(TRAIN)
    run_latente("demo", "--out", sys.argv[1])
    demo = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    store(
        "memory",
        {"bare_torch_mb": bare, "training_mb": train, "training_over_bare_mb": train - bare, "demo_mb": demo},
    )
