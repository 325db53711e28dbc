"""What every benchmark does: find its data, say on what it ran, and store what it found beside the command that made it.

The data sets are in the folder that `LATENTE_DATA` names. Where it names none, they are looked for where the tests look:
`LATENTE_TEST_DATA`, or `shared/data` beside the checkout. What is downloaded or shipped with a package needs no folder.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def find_data():
    """Names the folder of the data sets to latente, and to every process that a benchmark starts."""
    folder = Path(os.environ.get("LATENTE_TEST_DATA", SHARED))
    if not os.environ.get("LATENTE_DATA") and folder.is_dir():
        os.environ["LATENTE_DATA"] = str(folder)


def explain(kind, error, trace):
    """Says in one line which variable to set where a data set is missing; all else is shown as ever."""
    if "LATENTE_DATA" not in f"{error} {getattr(error, 'stderr', None)}":
        return sys.__excepthook__(kind, error, trace)
    now = os.environ.get("LATENTE_DATA") or "not set"
    print(
        f"{Path(sys.argv[0]).name}: a data set is missing: set LATENTE_DATA to the folder of the data sets (now {now})",
        file=sys.stderr,
    )


find_data()
sys.excepthook = explain


def run_latente(*words):
    """Runs a command in a process of its own; where it fails, it has said why."""
    status = subprocess.run([sys.executable, "-m", "latente.cli", *words]).returncode
    if status:
        raise SystemExit(status)


def flat(evaluation):
    """Returns the figures of an evaluation that benchmarks store, by name; the long lists by dimension are left out."""
    figures = evaluation.to_json()["figures"]
    kept = {
        name: figures.get(name) for name in ("nll", "shuffle", "likelihood", "beta", "labels", "restored")
    }
    return {
        "benchmark": evaluation.benchmark,
        "split": evaluation.split,
        "examples": evaluation.examples,
        **figures.get("bound", {}),
        **kept,
        "bits_per_dim": figures.get("bits_per_dim", {}).get("per_dim"),
        "train_elbo": figures.get("training", {}).get("elbo"),
        "absent": dict(evaluation.absent),
        "verdict": evaluation.verdict,
    }


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
