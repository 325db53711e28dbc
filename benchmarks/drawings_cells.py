"""Two choices of sketch-rnn's defaults: cells that are normalised, after a few hundred steps; and cells that are not compiled.

python benchmarks/drawings_cells.py --runs runs/cells --threads 1
"""

import argparse
import time
from pathlib import Path

import torch

from common import median, store
from latente import data, recipes, runs
from latente.schedules import Clock
from latente.training import machine


def learnt(cell, options):
    """Trains a decoder alone on kanji, and returns its validation."""
    folder = Path(options.runs) / cell
    how = {"steps": options.steps, "threads": options.threads, "evaluate_every": 100}
    if not (folder / "run.json").exists():
        runs.train("sketch-rnn", "kanji", folder, arguments={"latent": 0, "cell": cell}, **how)
    lines = runs.Run.open(folder).metrics()
    return {line["step"]: line["distortion"] for line in lines if "loss" in line}


def seconds(cell, found, rounds):
    """Times a step as it is and compiled, and tells how far the losses are apart."""
    times, losses = {}, {}
    plan = recipes.make("sketch-rnn", shape=list(found.shape), cell=cell, encoder_cell=cell)
    x, _ = found.train.batch(found.train.shuffled(100, torch.Generator().manual_seed(0))[:100])

    def step():
        torch.manual_seed(1)
        terms = plan.objective.terms(plan.model, x, None, Clock(0, 9))
        loss = sum(t.weight * t.value.mean() for t in terms.values() if not t.monitor)
        plan.model.zero_grad()
        loss.backward()
        return loss.item()

    for name in ("eager", "compiled"):
        if name == "compiled":
            plan.model.compile()
        losses[name] = [step() for _ in range(2)][-1]
        times[name] = []
        for _ in range(rounds):
            started = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - started)
    medians = {name: median(values) for name, values in times.items()}
    return {"seconds": medians, "difference_of_losses": abs(losses["eager"] - losses["compiled"])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", default="runs/cells")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine.keep_freed_memory()
    found = data.load("kanji")
    cells = ("lstm", "layer-norm")
    compiled = {cell: seconds(cell, found, options.rounds) for cell in cells}
    validation = {cell: learnt(cell, options) for cell in cells}
    store(
        "drawings-cells",
        {"validation_nats_by_step": validation, "compiled": compiled},
    )


if __name__ == "__main__":
    main()
