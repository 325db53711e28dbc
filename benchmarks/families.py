"""The families of deep generative models, each alone, on statically binarised MNIST: one table.

LATENTE_DATA=FOLDER python benchmarks/families.py train made pixelcnn flow rbm vae vq gan diffusion --runs FOLDER
LATENTE_DATA=FOLDER python benchmarks/families.py table --runs FOLDER
"""

import argparse
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path

from common import flat, run_latente, store
from latente import runs
from latente.errors import LatenteError
from latente.evaluation import evaluate, measure_samples

DATA = "mnist-static"
COMMANDS = {  # in the order of the table; a list of commands, each with a folder of its own
    "made": ["made --data mnist-static --hidden 500,500 --steps 10000"],
    "pixelcnn": ["pixelcnn --data mnist-static --steps 800"],
    "flow": ["flow --data mnist-static --steps 4000"],
    "rbm": ["rbm --data mnist-static --steps 15000"],
    "vae": ["vae --data mnist-static --latent 40 --hidden 400,400 --steps 12000"],
    "iaf": ["vae --data mnist-static --latent 40 --hidden 400,400 --posterior iaf --steps 12000"],
    "ladder": ["ladder --data mnist-static"],  # trained by benchmarks/ladder.py
    "vq": ["vq-vae --data mnist-static --steps 1500", "prior --of {0} --kind pixelcnn --steps 1500"],
    "gan": ["gan --data mnist-static --steps 2000"],
    "diffusion": ["diffusion --data mnist-static --steps 2500"],
}


def folders(name, root):
    commands = COMMANDS[name]
    return [root / (name if i == len(commands) - 1 else f"{name}-{i}") for i in range(len(commands))]


def train(name, root):
    paths = folders(name, root)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    lines = []
    for command, path in zip(COMMANDS[name], paths):
        words = command.format(*map(str, paths)).split()
        run_latente("train", *words, "--threads=1", f"--out={path}")
        lines.append(" ".join(["latente", "train", *words, f"--out={path}"]))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = [line.replace(str(root), "runs") for line in lines]
    cost = {"train": lines, "cpu seconds": round(cpu), "seconds": round(time.perf_counter() - started)}
    (paths[-1] / "cost.json").write_text(json.dumps(cost))


def row(name, root, n, examples):
    path = root / name
    run = runs.Run.open(path)
    figures = json.loads((path / "cost.json").read_text())
    figures["parameters"] = sum(p.numel() for p in run.model.parameters())
    try:
        figures["evaluation"] = flat(evaluate(run, k=100, examples=examples))
    except LatenteError as error:
        figures["evaluation"] = str(error).replace(str(root), "runs")
    figures["samples"] = asdict(measure_samples(run, n=n)["quality"])
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "table"])
    parser.add_argument("names", nargs="*", choices=[[], *COMMANDS])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=2000)
    chosen = parser.parse_args()
    names = chosen.names or list(COMMANDS)
    if chosen.what == "train":
        for name in names:
            if not (folders(name, chosen.runs)[-1] / "cost.json").exists():
                train(name, chosen.runs)
    else:
        kept = Path(__file__).parent / "results" / "families.json"
        table = json.loads(kept.read_text())["table"] if kept.exists() else {}
        for name in names:
            if (chosen.runs / name / "cost.json").exists():
                table[name] = row(name, chosen.runs, chosen.n, chosen.examples)
        store("families", {"data": DATA, "table": {k: table[k] for k in COMMANDS if k in table}})
