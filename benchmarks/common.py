"""What every benchmark does: say on what it ran, and store what it found beside the command that made it."""

import json
import os
import platform
import statistics
import sys
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


def machine():
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), "?")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def store(name, figures):
    """Writes results/NAME.json and prints it."""
    command = f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".strip()
    text = json.dumps({"command": command, "machine": machine(), **figures}, indent=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def median(values):
    return statistics.median(values)


def fashion():
    """The 60,000 training images of Fashion-MNIST as bytes, shape (60000, 1, 28, 28)."""
    from latente.data.mnist import fashion

    return torch.from_numpy(fashion().x[:60000].copy())
