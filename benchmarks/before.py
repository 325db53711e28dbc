"""What a step, an epoch, an evaluation, a report and the help cost, beside another checkout of latente: in turns, on one thread.

    python benchmarks/before.py --before FOLDER_OF_THE_OTHER_CHECKOUT/src

Each figure is CPU time, in a process of its own that warms up first; processes of both checkouts alternate.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import median, store

OWN = Path(__file__).resolve().parents[1] / "src"
MEASURED = ("help", "step", "epoch", "evaluate", "report")


def timed(run, rounds):
    run()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return median(found)


def step(batch):
    import torch

    from latente import data, recipes
    from latente.training import Trainer

    torch.set_num_threads(1)
    examples = data.load("fashion").binarised("dynamic").train
    trainer = Trainer(recipes.make("vae", shape=[1, 28, 28]).model, steps=10**9, batch=batch)
    trainer.prepare(examples, None)

    def run():
        for _ in range(100):
            trainer.one_step()

    return timed(run, 9) / 100


def epoch():
    from latente import data, recipes
    from latente.training import Trainer

    loaded = data.load("fashion").binarised("dynamic")

    def run():
        model = recipes.make("vae", shape=[1, 28, 28]).model
        Trainer(model, epochs=1, threads=1).fit(loaded.train, loaded.validation)

    return timed(run, 1)


def trained(folder):
    from latente import runs

    how = {"steps": 200, "evaluate_every": 100, "threads": 1}
    return runs.train("vae", "digits", Path(folder) / "run", arguments={"latent": 10}, **how)


def evaluate():
    import torch

    from latente.evaluation import evaluate

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = trained(folder)
        return timed(lambda: evaluate(run.model, run.data, k=200, examples=500), 3)


def report():
    import torch

    from latente import report as page
    from latente.runs import Run

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = trained(folder).path
        return timed(lambda: page.write(Run.open(path)), 3)  # evaluated in the first, uncounted round


def help_of_a_recipe():
    before = os.times().children_user
    for _ in range(5):
        subprocess.run(
            [sys.executable, "-m", "latente.cli", "train", "vae", "--help"], capture_output=True, check=True
        )
    return (os.times().children_user - before) / 5


def measured(what):
    if what == "step":
        return {"step, batch 128": step(128), "step, batch 512": step(512)}
    return {what: {"help": help_of_a_recipe, "epoch": epoch, "evaluate": evaluate, "report": report}[what]()}


def beside(source, what):
    """Measures in a process that takes latente from another place."""
    words = [sys.executable, "-W", "ignore", __file__, "--measure", what]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return numbers_in(done.stdout)


def numbers_in(text):
    pairs = (line.rsplit(" = ", 1) for line in text.splitlines() if " = " in line)
    return {name: float(value) for name, value in pairs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="the folder src of the other checkout")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--measure", choices=MEASURED)
    asked = parser.parse_args()
    if asked.measure:
        print(*(f"{name} = {value}" for name, value in measured(asked.measure).items()), sep="\n")
    else:
        now, then = {}, {}
        for what in MEASURED:
            both = ((asked.before, then), (OWN, now))
            for i in range(asked.rounds):
                for source, found in (
                    both if i % 2 else both[::-1]
                ):  # the second of a pair may find a warmer machine
                    for name, seconds in beside(source, what).items():
                        found.setdefault(name, []).append(seconds)
        figures = {
            name: {
                "seconds": median(now[name]),
                "before": median(then[name]),
                "ratio": median([a / b for a, b in zip(now[name], then[name])]),
            }
            for name in now
        }
        store("before", figures)
