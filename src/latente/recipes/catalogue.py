"""Registers recipes, checks their arguments and makes their models."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ..errors import RunError
from ..settings import explain

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..data.examples import Examples
    from ..objectives import Objective
    from ..settings import Settings
    from ..trace import Model

__all__ = [
    "FROM_DATA",
    "OF_LOADING",
    "RECIPES",
    "Plan",
    "Recipe",
    "check",
    "describe",
    "find",
    "make",
    "parameters",
    "reads",
    "recipe",
]


@dataclass(frozen=True)
class Plan:
    """Holds what a recipe returns.

    Arguments:
        model: The model, with fresh weights.
        objective: What it is trained by.
        binarise: How grey levels are read: see :mod:`latente.data`.
        pretrain: Prepares the fresh weights before the first step, from the training examples. It is given a folder for what
            it must keep to go on after it was interrupted (None to keep nothing), how the run is trained, and whether to
            show progress.
        adopt: Takes what it needs from a trained model: of a recipe that builds on another run.
        labels: How many labels of the training examples it may use, where not all: the others are then no part of training.
        unlabelled: Whether the others are part of it nonetheless, without their labels.
        sentences: How many words of a text it knows, and how long a sentence may be; None for a recipe that reads no text.
        augment: Changes each batch of training at random.
    """

    model: Model
    objective: Objective
    binarise: Literal["none", "static", "dynamic"] = "none"
    pretrain: Callable[[Examples, Path | None, Settings, bool], None] | None = None
    adopt: Callable[[Model], None] | None = None
    labels: int | None = None
    unlabelled: bool = False
    sentences: tuple[int, int] | None = None
    augment: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Recipe:
    """Holds an entry of the catalogue.

    Arguments:
        function: Makes a plan; its signature is the schema of its arguments.
        settings: The recipe's own defaults of :class:`~latente.settings.Settings`.
    """

    function: Callable[..., Plan]
    settings: Mapping[str, Any]


Function = TypeVar("Function", bound=Callable[..., Plan])
RECIPES: dict[str, Recipe] = {}
FROM_DATA = {"shape", "classes", "vocabulary", "caption_length"}  # arguments that the data answers
OF_LOADING = ({"longest", "bad"}, {"tokens", "side"})  # arguments by which drawings, and captions, are loaded


def recipe(**settings: Any) -> Callable[[Function], Function]:
    """Enters a function in the catalogue, under its name with hyphens, with its own defaults of the settings."""

    def enter(function: Function) -> Function:
        RECIPES[function.__name__.replace("_", "-")] = Recipe(function, settings)
        return function

    return enter


def find(name: str) -> Recipe:
    """Returns the recipe of a name.

    Raises:
        RunError: If there is none; the nearest name is suggested.
    """
    if not isinstance(name, str) or name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(RECIPES))}"
        raise RunError(f"no recipe is named {name!r}; {hint}")
    return RECIPES[name]


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a recipe by name, their annotations evaluated."""
    function = find(name).function
    hints = typing.get_type_hints(function, include_extras=True)
    return {n: p.replace(annotation=hints[n]) for n, p in inspect.signature(function).parameters.items()}


def reads(name: str) -> Literal["captions", "text", "drawings", ""]:
    """Tells which kind of data a recipe reads that others do not; nothing for images, tables and vectors."""
    known = parameters(name)
    if "caption_encoder" in known:
        return "captions"
    return "text" if "vocabulary" in known else "drawings" if "bad" in known else ""


def describe(name: str) -> str:
    """Returns the first sentence of a recipe's docstring."""
    return (find(name).function.__doc__ or "").strip().partition("\n")[0]


def schema(name: str) -> type[BaseModel]:
    """Builds the schema of a recipe's arguments from its signature."""
    fields: dict[str, Any] = {
        n: (p.annotation, ... if p.default is p.empty else p.default) for n, p in parameters(name).items()
    }
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


def check(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all arguments of a recipe, checked and ready for JSON.

    Raises:
        RunError: If the recipe or an argument is unknown, or a value is of a wrong type or out of range.

    Example:
        >>> check("vae", {"shape": [4], "latent": 0})
        Traceback (most recent call last):
        latente.errors.RunError: latent of recipe 'vae' is 0: input should be greater than or equal to 1
    """
    try:
        return schema(name)(**arguments).model_dump(mode="json")
    except ValidationError as error:
        raise RunError(explain(error, f"recipe {name!r}", parameters(name))) from None


def make(name: str, /, **arguments: Any) -> Plan:
    """Makes a model by a recipe.

    Raises:
        RunError: If the recipe or an argument is unknown, or a value is of a wrong type or out of range.

    Example:
        >>> plan = make("vae", shape=(1, 28, 28), latent=2)
        >>> sum(p.numel() for p in plan.model.parameters())
        631188
    """
    checked = check(name, arguments)
    try:
        plan = find(name).function(**checked)
    except ImportError as error:
        raise RunError(f"recipe {name!r} cannot be made: {error}") from None
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"recipe {name!r} cannot be made with {arguments}: {reason}; use smaller ones"
        ) from error
    plan.model.made_by = {"recipe": name, "arguments": checked}
    return plan
