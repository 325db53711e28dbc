"""Makes the model of a run: a recipe for its data, tried before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import torch

from .. import recipes
from ..data import Data, Examples
from ..data.kind import Kind, Suggestion, kinds
from ..errors import LatenteError, RunError
from ..memory import free_memory
from ..recipes import Base, Plan, Recipe
from ..schedules import Clock
from ..settings import Settings
from ..training import machine
from ..training.support import domain_of, outside


def kind_of(recipe: Recipe[...]) -> Kind | None:
    """Returns the kind of data that a recipe reads and others do not; None where it reads all general ones."""
    return None if recipe.reads is None else kinds()[recipe.reads]


def is_read(kind: Kind, recipe: Recipe[...]) -> bool:
    """Returns whether a recipe reads a kind of data: its own, or any that is general, or is also one of those."""
    wanted = kind_of(recipe)
    if wanted is not None:
        return kind is wanted
    return kind.is_general or (kind.parent != "" and kinds()[kind.parent].is_general)


def plan_for(
    recipe: Recipe[...], loaded: Data, options: dict[str, Any], base: Base | None, chosen: Settings
) -> Plan:
    """Makes a recipe for a data set, which answers what the recipe asks of its data, and for the run that it builds on."""
    kind = loaded.kind
    if not is_read(kind, recipe):
        wanted = kind_of(recipe)
        hint = (
            f"use {kind.usual['recipe']}"
            if wanted is None or not (kind.is_general or kind.parent)
            else f"give --data {wanted.hint}"
        )
        raise RunError(
            f"recipe {recipe.name!r} cannot learn from {loaded.name}, which is {kind.name}: {hint}"
        )
    arguments = {n: value for n, value in kind.answers(loaded).items() if n in recipe.answers}
    arguments |= suggested_to(recipe, kind.suggests(loaded), options) | options
    if base is not None:
        arguments["of"] = base
    check_size(recipe.name, arguments, chosen, kind)
    seed(chosen.seed)
    return recipes.make(recipe.name, **arguments)


def suggested_to(recipe: Recipe[...], suggestion: Suggestion, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments that data suggests to a recipe: none where one of them is given, or not taken."""
    own = suggestion.arguments
    if own.keys() & options.keys() or not own.keys() <= recipe.options.keys() or not takes(recipe, own):
        return {}
    also = suggestion.also
    is_taken = (
        not also.keys() & options.keys() and also.keys() <= recipe.options.keys() and takes(recipe, also)
    )
    return {**own, **also} if is_taken else dict(own)


def takes(recipe: Recipe[...], arguments: Mapping[str, Any]) -> bool:
    """Tells whether a recipe's options take some values."""
    try:
        recipes.check(recipe.name, arguments)
    except RunError:
        return False
    return True


def check_size(recipe: str, arguments: Mapping[str, Any], chosen: Settings, kind: Kind) -> None:
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
    free, needed = free_memory(), 4 * (weights + moved * (1 + moments) * here)
    if free is not None and needed > free:
        raise RunError(
            f"{recipe} would have {weights:,} weights for examples of shape {tuple(arguments['shape'])}, which take "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: use {kind.smaller} or a smaller --hidden"
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


def check_support(plan: Plan, loaded: Data, recipe: Recipe[...]) -> None:
    """Refuses data outside of the support of the likelihood, and names the options by which it would not be.

    Raises:
        RunError: If a number of some example is no value of the likelihood.
    """
    try:
        known = domain_of(plan.model, loaded.train)
    except (ValueError, NotImplementedError):  # which `try_on` tells
        return
    if known is None:
        return
    for examples in (loaded.train, loaded.validation, loaded.test):
        if found := outside(known, examples):
            break
    else:
        return
    where = f"column {loaded.columns[found.place]!r}" if loaded.columns else "pixels"
    choices = list(fitting(plan, loaded, recipe))
    remedy = f"use {' or '.join(choices)}" if choices else "use another recipe, or bring the data there"
    raise RunError(
        f"{recipe.name} as asked has a likelihood of {known.words}, and {where} of {loaded.name} has {found.value:.6g} "
        f"({found.low:.6g} to {found.high:.6g}{', as the model reads it' if loaded.columns else ''}): {remedy}"
    )


def fitting(plan: Plan, loaded: Data, recipe: Recipe[...]) -> Iterator[str]:
    """Lists the options that give a model a likelihood of such data: those of a few choices, changed one at a time."""
    made: Mapping[str, Any] = plan.model.made_by or {}
    for name, parameter in recipe.options.items():
        for value in choices_of(parameter.annotation):
            if value == made["arguments"].get(name):
                continue
            try:
                with torch.random.fork_rng(devices=[]):
                    other = recipes.remake({**made, "arguments": {**made["arguments"], name: value}})
                    known = domain_of(other.model, loaded.train)
            except (LatenteError, RuntimeError, ValueError, NotImplementedError):
                continue
            if known is None or outside(known, loaded.train) is None:
                yield f"--{name.replace('_', '-')} {value}"


def choices_of(annotation: Any) -> tuple[Any, ...]:
    """Returns the values of an option that takes one of a few; none where it takes others."""
    inner = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return get_args(inner) if get_origin(inner) is Literal else ()


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
