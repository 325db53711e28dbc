"""The doctor on eight runs that are broken on purpose, each in its own way, and two that are not.

A diagnosis is right when its first problem is the illness that the run was given, or when a healthy run has none; the command
that it advises is stored beside it. Runs that are there already are not trained again.

LATENTE_DATA=FOLDER python benchmarks/doctor.py runs/doctor
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch

from common import store
from latente import doctor, runs
from latente.data.digits import digits
from latente.report import try_next
from latente.training import machine

TEXT = {"words": 1000, "longest": 20, "hidden": 64, "embedding": 32, "latent": 16}
SENTENCES = ("text-vae", "ptb", TEXT, {"steps": 800, "batch": 64, "lr": 3e-3})
IMAGES = ("vae", "digits", {}, {"steps": 2000})
CASES = {  # the illness, what is trained, and what breaks it
    "unfinished schedule": ("beta unfinished", IMAGES, {"beta": "linear", "warmup": 20000.0}),
    "sigma beyond every variance": (
        "sigma too large for any code",
        IMAGES,
        {"likelihood": "gaussian-fixed", "scale": 4.0},
    ),
    "encoder set back to the prior": ("the encoder lags", IMAGES, {}),
    "sentences, plain": ("the decoder is too strong", SENTENCES, {}),
    "pixels shuffled over images": ("no information to encode", IMAGES, {}),
    "sentences, free bits": ("uninformative rate", SENTENCES, {"free_nats": 4.0}),
    "beta of 0.01": ("holes in the prior", IMAGES, {"beta": 0.01}),
    "sentences on a sphere": ("uniform directions", SENTENCES, {"posterior": "von-mises-fisher"}),
    "healthy, many dimensions": (None, IMAGES, {"latent": 50}),
    "healthy sentences": (None, SENTENCES, {"skip": True, "posterior": "bn-vae"}),
}


def shuffled_pixels(folder):
    """Writes digits in which each pixel was shuffled over the images: every margin is real, and no pixel knows of another."""
    file = folder / "shuffled.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        x = digits().x.reshape(5000, -1)
        order = np.random.default_rng(0).random(x.shape).argsort(0)
        np.savez(file, x=np.take_along_axis(x, order, 0).reshape(-1, 28, 28))
    return str(file)


def set_back(run):
    """Lets the encoder say the prior, whatever it is shown."""
    head = run.model.posterior.net.layers[-1]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    runs.save(run.model, run.path / "model.safetensors")
    return runs.Run.open(run.path)


def examined(name, options):
    illness, (recipe, source, given, settings), broken = CASES[name]
    folder = options.folder / name.replace(" ", "-").replace(",", "").replace(".", "-")
    ready = folder / "broken"  # a mark that it is
    if ready.exists():
        run = runs.Run.open(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        source = shuffled_pixels(options.folder) if name.startswith("pixels") else source
        every = dict.fromkeys(("evaluate_every", "checkpoint_every"), settings["steps"])
        run = runs.train(
            recipe,
            source,
            folder,
            arguments={**given, **broken},
            **settings,
            **every,
            threads=options.threads,
        )
        run = set_back(run) if name.startswith("encoder") else run
        ready.touch()
    torch.set_num_threads(options.threads)
    found = doctor.diagnose(run)
    problems = [f for f in found.findings if f.problem]
    first = problems[0] if problems else None
    row = {
        "illness": illness,
        "found": None if first is None else first.name,
        "right": (None if first is None else first.name) == illness,
        "sure": None if first is None else first.sure,
        "said": found.verdict,
        "command": "" if first is None else try_next(run, first).replace(str(options.folder), "runs/doctor"),
        "also": [f.name for f in found.findings if f is not first],
        "rate": found["bound"].rate.mean,
        "refined_gains": found["refinement"].gap.mean if "refinement" in found else None,
        "code_saves": found["codeless"].saved.mean if "codeless" in found else None,
    }
    print(name, {n: v for n, v in row.items() if n != "said"}, flush=True)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--only", nargs="+", choices=list(CASES), help="examine these alone, and store nothing"
    )
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    rows = {name: examined(name, options) for name in options.only or CASES}
    if not options.only:
        store("doctor", {"right": sum(row["right"] for row in rows.values()), "of": len(rows), "runs": rows})
