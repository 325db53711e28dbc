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
from ..recipes import Base, Plan, Recipe
from ..schedules import Clock
from ..settings import Settings
from ..training import machine

RECIPE_OF = {"text": "text-vae", "drawings": "sketch-rnn"}  # by kinds of data that no other recipe reads
DATA_OF = {
    "text": "ptb, or a text file with a sentence a line",
    "drawings": "kanji, or a folder of SVG files, an .ndjson of Quick, Draw!, or an .npz of strokes",
    "captions": "captions-mnist, or a folder of images with captions.csv",
}


def plan_for(
    recipe: Recipe[...], loaded: Data, options: dict[str, Any], base: Base | None, chosen: Settings
) -> Plan:
    """Makes a recipe for a data set, and for the run that it builds on."""
    reads = recipe.reads
    wanted = "images" if reads == "captions" else reads
    if wanted != (loaded.kind if reads == "captions" or loaded.kind in RECIPE_OF else None):
        hint = (
            f"use {RECIPE_OF[loaded.kind]}"
            if loaded.kind in RECIPE_OF
            else f"give --data {DATA_OF[reads or '']}"
        )
        raise RunError(
            f"recipe {recipe.name!r} cannot learn from {loaded.name}, which is {loaded.kind}: {hint}"
        )
    arguments = {**vars(recipe.about.read_off(loaded)), **options}
    if base is not None:
        arguments["of"] = base
    check_size(recipe.name, arguments, chosen)
    seed(chosen.seed)
    return recipes.make(recipe.name, **arguments)


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
            if "words" in recipes.parameters(recipe)
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


def loading(made: Base) -> dict[str, Any]:
    """Returns how the data of a run is loaded: as that of the run which it builds on, where it builds on one."""
    while made.base is not None:
        made = Base(**made.base)
    return recipes.loading_of(made.recipe, made.arguments)


def captioned(found: Data, how: Mapping[str, Any]) -> Data:
    """Takes the names of classes for captions, where there are no others, numbered as the encoder of captions reads them.

    Arguments:
        found: The data.
        how: How the recipe has its data loaded.

    Raises:
        RunError: If they are numbered otherwise already.
    """
    if how.get("tokens") != "minilm":
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
