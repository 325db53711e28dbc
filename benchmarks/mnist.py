"""The likelihood of MNIST, dynamic binarisation: `deep-vae` for at most 20 minutes on two cores, then IW-NLL with k = 5000.

LATENTE_DATA=FOLDER python benchmarks/mnist.py runs/mnist
"""

import json
import sys
import time
from pathlib import Path

from common import flat, store
from latente import runs
from latente.evaluation import evaluate

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    started = time.perf_counter()
    run = runs.train("deep-vae", "mnist", folder, evaluate_every=2000, checkpoint_every=2000, log_every=200)
    seconds = time.perf_counter() - started
    found = evaluate(run, k=5000, examples=1000)
    lines = [line for line in run.metrics() if line["split"] == "validation"]
    store(
        "mnist",
        {
            "train": f"latente train deep-vae --data mnist --out {folder}",
            "evaluate": f"latente evaluate {folder} --k 5000 --examples 1000",
            "settings": json.loads((folder / "run.json").read_text())["settings"],
            "training_seconds": seconds,
            "validation": [(line["step"], line["loss"]) for line in lines],
            "evaluation": flat(found),
        },
    )
