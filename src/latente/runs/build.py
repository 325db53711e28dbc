"""Makes the model of a run: a recipe for its data, tried before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .. import recipes
from ..data.examples import Data, Examples
from ..data.vocabulary import Vocabulary
from ..errors import RunError
from ..recipes import Plan
from ..schedules import Clock
from ..settings import Settings
from ..training import machine

RECIPE_OF = {"text": "text-vae", "drawings": "sketch-rnn"}  # by kinds of data that no other recipe reads
DATA_OF = {
    "text": "ptb, or a text file with a sentence a line",
    "drawings": "kanji, or a folder of SVG files, an .ndjson of Quick, Draw!, or an .npz of strokes",
    "captions": "captions-mnist, or a folder of images with captions.csv",
}


def plan_for(recipe: str, loaded: Data, arguments: dict[str, Any], chosen: Settings) -> Plan:
    """Makes a recipe for a data set: its shape, and the number of its classes and words where the recipe takes them."""
    known = recipes.parameters(recipe)
    reads = recipes.reads(recipe)
    wanted = "images" if reads == "captions" else reads
    if wanted != (loaded.kind if reads == "captions" or loaded.kind in RECIPE_OF else ""):
        hint = (
            f"use {RECIPE_OF[loaded.kind]}" if loaded.kind in RECIPE_OF else f"give --data {DATA_OF[reads]}"
        )
        raise RunError(f"recipe {recipe!r} cannot learn from {loaded.name}, which is {loaded.kind}: {hint}")
    answers = {
        "shape": list(loaded.shape),
        "classes": len(loaded.classes),
        "vocabulary": max(1, len(loaded.words) - 1) if loaded.captions is None else len(loaded.captions),
    }
    y = loaded.train.y
    if y is not None and y.dim() > 1:
        answers["caption_length"] = y.shape[-1]
    arguments = {n: value for n, value in answers.items() if n in known} | arguments
    recipes.check(recipe, arguments)
    check_size(recipe, arguments, chosen)
    seed(chosen.seed)
    return recipes.make(recipe, **arguments)


def check_size(recipe: str, arguments: Mapping[str, Any], chosen: Settings) -> None:
    """Refuses a model that this machine has no memory for, before any is taken.

    Raises:
        RunError: If its weights, and where it is trained on the CPU its gradients and the moments of the optimiser, take more
            than is free.
    """
    with torch.device("meta"):
        parameters = list(recipes.make(recipe, **arguments).model.parameters())
    weights, moved = (sum(p.numel() for p in parameters if p.requires_grad >= only) for only in (False, True))
    moments = int(bool(chosen.momentum)) if chosen.optimizer == "sgd" else 2
    here = machine.device(chosen.device).type == "cpu"
    free, needed = machine.free_memory(), 4 * (weights + moved * (1 + moments) * here)
    if free is not None and needed > free:
        smaller = (
            "fewer --words"
            if "vocabulary" in arguments
            else "smaller images, --network conv where the recipe has it,"
        )
        raise RunError(
            f"{recipe} would have {weights:,} weights for examples of shape {tuple(arguments['shape'])}, which take "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: use {smaller} or a smaller --hidden"
        )


def try_on(plan: Plan, examples: Examples, recipe: str) -> None:
    """Takes two examples through a copy of the model and its objective, so that parts that do not go together are refused.

    Raises:
        RunError: If the objective cannot be computed for this model.
    """
    model, objective = copy.deepcopy((plan.model, plan.objective))
    with torch.random.fork_rng(devices=[]):
        try:
            objective.terms(model.eval(), *examples.batch(slice(0, 2)), Clock(0, 1))
        except (ValueError, NotImplementedError) as error:
            raise RunError(f"{recipe} cannot be trained as asked: {error}") from None


def loading(recipe: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those arguments of a recipe, checked, by which its drawings or captions are loaded; nothing for other recipes.

    MiniLM reads its own wordpieces, whatever `tokens` says.
    """
    known = recipes.parameters(recipe).keys()
    if "of" in known and isinstance(of := arguments.get("of"), dict):
        return loading(of["recipe"], of["arguments"])
    names = next((names for names in recipes.OF_LOADING if names <= known), set())
    if not names:
        return {}
    stands_for = {"vocabulary": 2} if "vocabulary" in known else {}
    checked = recipes.check(recipe, {"shape": [1, 3], **stands_for, **arguments})
    found = {name: checked[name] for name in names}
    return {**found, "tokens": "minilm"} if checked.get("caption_encoder") == "minilm" else found


def captioned(found: Data, arguments: Mapping[str, Any]) -> Data:
    """Takes the names of classes for captions, where there are no others, numbered as the encoder of captions reads them.

    Raises:
        RunError: If they are numbered otherwise already.
    """
    if arguments.get("caption_encoder") != "minilm":
        return found.captioned()
    told = found.captioned(Vocabulary.minilm())
    if told.captions != Vocabulary.minilm():
        raise RunError(
            f"caption_encoder is 'minilm', which reads wordpieces of its own, and the captions of {found.name} are numbered "
            "otherwise by the run that this one builds on: choose another caption_encoder, or build on a run of minilm"
        )
    return told


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
