"""The deep autoencoder of Hinton and Salakhutdinov (2006) on MNIST, 784-1000-500-250-30: squared error an image of the test set.

Each step is stored on its own, and builds on the layers and weights that earlier ones left in the folder:

LATENTE_DATA=FOLDER python benchmarks/deep_autoencoder.py pca
LATENTE_DATA=FOLDER python benchmarks/deep_autoencoder.py pretrain --start rbm --out runs/deep
LATENTE_DATA=FOLDER python benchmarks/deep_autoencoder.py finetune --start rbm --out runs/deep --minutes 20
LATENTE_DATA=FOLDER python benchmarks/deep_autoencoder.py compare --start random --out runs/deep --epochs 8
LATENTE_DATA=FOLDER python benchmarks/deep_autoencoder.py picture --out runs/deep

`compare` wants each of the starts in its turn; `picture` draws docs/pictures/deep-*.png from what is stored.
"""

import argparse
import copy
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from common import RESULTS, store
from latente import data, recipes, runs
from latente.settings import settings
from latente.trace import mean
from latente.training import Trainer, machine

DEEP = {"shape": [1, 28, 28], "latent": 30, "hidden": [1000, 500, 250]}
STARTS = {
    "rbm": ("deep-autoencoder", {"pretrain": "rbm"}),
    "denoising": ("deep-autoencoder", {"pretrain": "denoising"}),
    "random": ("deep-autoencoder", {"pretrain": "none"}),
    "small": ("deep-autoencoder", {"pretrain": "none"}),
    "relu": ("deep-autoencoder", {"pretrain": "none", "activation": "relu"}),
    "vae": ("vae", {"likelihood": "bernoulli", "binarise": "none"}),
}
NAMES = {
    "rbm": "stack of RBMs",
    "denoising": "stack of denoising autoencoders",
    "random": "random, logistic, Glorot",
    "small": "random, logistic, N(0, 0.01²)",
    "relu": "random, ReLU, He",
    "vae": "VAE, ReLU",
}
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def plan_of(start, examples, options):
    """Makes a plan, its layers trained, or read where the folder holds them; returns the seconds it took too."""
    name, arguments = STARTS[start]
    torch.manual_seed(options.seed)
    pretrained = {"pretrain_epochs": options.layer_epochs} if options.layer_epochs else {}
    plan = recipes.make(name, **DEEP, **arguments, **(pretrained if name == "deep-autoencoder" else {}))
    if start == "small":
        for parameter in plan.model.parameters():
            torch.nn.init.normal_(parameter, std=0.01)
    started = time.perf_counter()
    if plan.pretrain is not None:
        plan.pretrain(examples, options.out / start, settings(seed=options.seed), True)
    return plan, time.perf_counter() - started


def keep(options, name, figures):
    if options.rows:
        print(json.dumps(figures))
    else:
        store(name, figures)


@torch.no_grad()
def errors(model, examples):
    """The squared error and the cross-entropy an image, of the reconstruction from the posterior mean."""
    training = model.training
    model.eval()
    sums = torch.zeros(2, dtype=torch.float64)
    for start in range(0, len(examples), 1000):
        x, _ = examples.batch(slice(start, start + 1000))
        likelihood = model(x, choose=mean).likelihood
        sums[0] += (x - likelihood.mean).square().sum()
        sums[1] -= likelihood.log_prob(x).sum()
    model.train(training)
    squared, cross = (sums / len(examples)).tolist()
    return {"squared_error": squared, "cross_entropy": cross}


def trainer_of(plan, examples, **given):
    name = plan.model.made_by["recipe"]
    trainer = Trainer(plan.model, plan.objective, **{**recipes.find(name).settings, **given})
    trainer.prepare(examples, None)
    return trainer


def seconds_an_epoch(plan, examples, **given):
    """Times forty steps of a copy, after ten."""
    trainer = trainer_of(copy.deepcopy(replace(plan, pretrain=None)), examples, **given)
    for step in range(50):
        if step == 10:
            started = time.perf_counter()
        trainer.one_step()
    return (time.perf_counter() - started) / 40 * trainer.streams.per_epoch


def curve(plan, loaded, **given):
    """Fine-tunes and measures after each epoch; the model ends with the weights that validation found best."""
    model, trainer = plan.model, trainer_of(plan, loaded.train, **given)
    best, kept, seconds, lines = float("inf"), {}, 0.0, []
    while True:
        validation, test = errors(model, loaded.validation), errors(model, loaded.test)
        lines.append(
            {
                "epoch": round(trainer.step / trainer.streams.per_epoch, 3),
                "seconds": round(seconds, 1),
                "validation": validation["squared_error"],
                "test": test["squared_error"],
                "test_cross_entropy": test["cross_entropy"],
            }
        )
        print(json.dumps(lines[-1]), flush=True)
        if validation["cross_entropy"] < best:
            best, kept = validation["cross_entropy"], copy.deepcopy(model.state_dict())
            chosen = lines[-1]
        if trainer.step == trainer.steps:
            break
        started = time.perf_counter()
        for _ in range(min(trainer.streams.per_epoch, trainer.steps - trainer.step)):
            trainer.one_step()
        trainer.log_training()
        seconds += time.perf_counter() - started
    model.load_state_dict(kept)
    return {"curve": lines, "chosen": chosen, "settings": vars(trainer.settings)}


def components(loaded):
    """The mean and the principal axes of all 60,000 training images, as columns, the widest first."""
    rows = [e.batch(slice(None))[0].flatten(1).double() for e in (loaded.train, loaded.validation)]
    x = torch.cat(rows)
    return x.mean(0), torch.linalg.eigh(torch.cov(x.T)).eigenvectors.flip(1)


def pca(options, loaded):
    """The exact optimum of a linear autoencoder."""
    centre, axes = components(loaded)
    test = loaded.test.batch(slice(None))[0].flatten(1).double() - centre
    figures = {"0": test.square().sum(1).mean().item()}
    for k in (2, 6, 10, 30, 50, 64):
        residual = test - test @ axes[:, :k] @ axes[:, :k].T
        figures[str(k)] = residual.square().sum(1).mean().item()
    keep(options, "deep-autoencoder-pca", {"squared_error_by_components": figures})


def pretrain(options, loaded):
    plan, seconds = plan_of(options.start, loaded.train, options)
    keep(
        options,
        f"deep-autoencoder-pretrain-{options.start}",
        {
            "arguments": plan.model.made_by["arguments"],
            "parameters": sum(p.numel() for p in plan.model.parameters()),
            "seconds": seconds,
            "train": errors(plan.model, loaded.train.subset(10000)),
            "test": errors(plan.model, loaded.test),
        },
    )


def finetune(options, loaded):
    plan, _ = plan_of(options.start, loaded.train, options)
    given = {"lr": options.lr} if options.lr else {}
    an_epoch = seconds_an_epoch(plan, loaded.train, **given)
    epochs = max(1, int(60 * options.minutes / an_epoch))
    print(f"{an_epoch:.1f} s an epoch: {epochs} epochs in {options.minutes} minutes", flush=True)
    found = curve(plan, loaded, epochs=epochs, seed=options.seed, **given)
    runs.save(plan.model, options.out / "finetuned.safetensors")
    keep(options, "deep-autoencoder-finetune", {"start": options.start, "minutes": options.minutes, **found})


def compare(options, loaded):
    plan, _ = plan_of(options.start, loaded.train, options)
    given = {"lr": options.lr} if options.lr else {}
    found = curve(plan, loaded, epochs=options.epochs, seed=options.seed, **given)
    keep(
        options,
        f"deep-autoencoder-compare-{options.start}",
        {"arguments": plan.model.made_by["arguments"], **found},
    )


def picture(options, loaded):
    """Draws the curves of `compare`, and digits as the fine-tuned net and PCA give them back."""
    from latente.pictures.drawing import canvas

    note = f"{loaded.benchmark}, test images, 784-1000-500-250-30"
    title = "Squared error of an image, by what fine-tuning started from"
    figure, header = canvas.sheet(7.2, 3.6, title, note, 200)
    ax = canvas.axes(figure, (0.62, 0.5, 6.4, 3.0), "epochs of fine-tuning", "squared error (log)")
    values = {}
    for colour, (start, name) in zip(canvas.CLASSES, NAMES.items()):
        file = RESULTS / f"deep-autoencoder-compare-{start}.json"
        if file.exists():
            curve = json.loads(file.read_text())["curve"]
            values[start] = [line["test"] for line in curve]
            ax.plot([line["epoch"] for line in curve], values[start], color=colour, linewidth=1.4, label=name)
    linear = json.loads((RESULTS / "deep-autoencoder-pca.json").read_text())["squared_error_by_components"][
        "30"
    ]
    ax.axhline(linear, color=canvas.GREY, linewidth=0.9, linestyle="--", label="PCA, 30 components")
    ax.set_yscale("log")
    ticks = [3, 5, 10, 20, 50, 100, 200]
    ax.set_yticks(ticks, map(str, ticks))
    ax.minorticks_off()
    canvas.legend(ax)
    canvas.Picture(figure, title, note, header, 200, values).save(PICTURES / "deep-curves.png")

    centre, axes = components(loaded)
    first = [int((loaded.test.y == digit).nonzero()[0]) for digit in range(10)]
    x, _ = loaded.test.batch(torch.tensor(first))
    with torch.no_grad():
        deep = runs.load(options.out / "finetuned.safetensors")(x, choose=mean).likelihood.mean
    centred = x.flatten(1).double() - centre
    linear = (centre + centred @ axes[:, :30] @ axes[:, :30].T).view_as(x)
    rows = {"images": x, "deep autoencoder": deep, "PCA": linear}
    tiles = torch.stack(list(rows.values())).movedim(2, -1).expand(-1, -1, -1, -1, 3).double().numpy()
    given_back = canvas.lay_out(tiles, "Digits from thirty numbers", note, rows=list(rows))
    given_back.save(PICTURES / "deep-reconstructions.png")


STEPS = {step.__name__: step for step in (pca, pretrain, finetune, compare, picture)}

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("step", choices=STEPS)
    arguments.add_argument("--start", choices=STARTS, default="rbm")
    arguments.add_argument("--out", type=Path, default=Path("runs/deep"))
    arguments.add_argument("--minutes", type=float, default=20)
    arguments.add_argument("--epochs", type=float, default=8)
    arguments.add_argument("--layer-epochs", type=float)
    arguments.add_argument("--lr", type=float)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--rows", type=int, help="so many images of each split only, to try a step; nothing is stored"
    )
    options = arguments.parse_args()
    torch.set_num_threads(machine.free_cores())
    loaded = data.load("mnist")
    if options.rows:
        kept = {name: getattr(loaded, name).subset(options.rows) for name in ("train", "validation", "test")}
        loaded = replace(loaded, **kept)
    options.out.mkdir(parents=True, exist_ok=True)
    STEPS[options.step](options, loaded)
