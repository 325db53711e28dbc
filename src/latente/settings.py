"""How a run is trained: one schema for Python, for the command line and for the files of a run.

This module does not import PyTorch, so a mistyped option is answered at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from .errors import RunError

__all__ = ["Settings", "explain", "settings"]


@dataclass(frozen=True)
class Settings:
    """Holds how to train; every field is an option of `latente train` and a keyword of `Trainer`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    steps: Annotated[int, Field(ge=1, description="optimiser steps")] = 5000
    epochs: Annotated[float | None, Field(gt=0, description="epochs, in place of --steps")] = None
    batch: Annotated[int, Field(ge=1, description="batch size: examples per step, over all processes")] = 128
    micro_batches: Annotated[
        int,
        Field(ge=1, description="gradient accumulation: number of equal parts that a batch is split into"),
    ] = 1
    lr: Annotated[float, Field(gt=0, description="learning rate")] = 1e-3
    lr_schedule: Annotated[
        Literal["constant", "cosine", "exponential"],
        Field(
            description="schedule of --lr, down to a hundredth of it; exponential: by 1/10000 of the rest per step"
        ),
    ] = "cosine"
    lr_warmup: Annotated[
        int, Field(ge=0, description="learning rate warm-up: steps over which it rises from 0")
    ] = 0
    optimizer: Annotated[Literal["adam", "adamw", "adamax", "sgd"], Field(description="optimiser")] = "adam"
    momentum: Annotated[
        float | None,
        Field(ge=0, lt=1, description="momentum of sgd (0 by default), or β₁ of the others (0.9)"),
    ] = None
    weight_decay: Annotated[float, Field(ge=0, description="weight decay of the optimiser")] = 0.0
    clip: Annotated[
        float | None,
        Field(gt=0, description="gradient clipping by norm: the largest norm, of each player's gradient"),
    ] = None
    clip_value: Annotated[
        float | None, Field(gt=0, description="gradient clipping by value: the largest absolute value")
    ] = None
    skip_above: Annotated[
        float | None,
        Field(
            gt=0,
            description="gradient skipping: no step where the norm is larger; the limit rises after ten skips in a row",
        ),
    ] = None
    ema: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="decay of the exponential moving average of weights, which is evaluated and saved",
        ),
    ] = None
    patience: Annotated[
        int | None, Field(ge=1, description="early stopping: after so many validations without a better loss")
    ] = None
    minutes: Annotated[
        float | None,
        Field(gt=0, description="minutes after which training stops, to be resumed; of this call alone"),
    ] = None
    evaluate_every: Annotated[int, Field(ge=1, description="steps between validations")] = 500
    checkpoint_every: Annotated[int, Field(ge=1, description="steps between checkpoints")] = 500
    log_every: Annotated[int, Field(ge=1, description="steps between lines of metrics")] = 50
    seed: Annotated[int, Field(ge=0, description="random seed of weights, data order and noise")] = 0
    device: Annotated[str, Field(description="device: auto, cpu, cuda, cuda:1, mps")] = "auto"
    threads: Annotated[
        int | None, Field(ge=1, description="CPU threads; by default as many as there are free cores")
    ] = None
    precision: Annotated[
        Literal["fp32", "bf16"],
        Field(description="precision of matrix products; sums and densities stay in fp32"),
    ] = "fp32"
    compile: Annotated[
        bool, Field(description="compile the networks (needs a C++ compiler; slow first step)")
    ] = False
    shard: Annotated[
        bool, Field(description="shard the model over processes (FSDP2); start with torchrun")
    ] = False
    track: Annotated[
        tuple[Literal["csv", "tensorboard"], ...], Field(description="further logs beside metrics.jsonl")
    ] = ()


def explain(error: ValidationError, of: str, known: Iterable[str]) -> str:
    """Describes in one sentence per argument the errors of a validation, e.g. "latent of recipe 'vae' is 0: …"."""
    found: dict[str, list[str]] = {}
    for e in error.errors():
        name = ".".join(str(part) for i, part in enumerate(e["loc"]) if i == 0 or isinstance(part, int))
        if e["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            near = difflib.get_close_matches(name, known, 1)
            found[f"{of} has no argument {name!r}"] = [f"did you mean {near[0]!r}?"] if near else []
        elif e["type"] in ("missing", "missing_argument"):
            found[f"{of} needs the argument {name!r}"] = []
        else:
            what = f"{e['msg'][0].lower()}{e['msg'][1:]}".removeprefix("value error, ")
            found.setdefault(f"{name} of {of} is {e['input']!r}", []).append(what)
    return "; ".join(f"{name}: {', or '.join(what)}" if what else name for name, what in found.items())


def settings(**given: Any) -> Settings:
    """Checks keywords and returns settings.

    Raises:
        RunError: Naming each argument that is unknown, of a wrong type or out of range, and the value it had.

    Example:
        >>> settings(lr=1e-4).lr
        0.0001
        >>> settings(lr=-1)
        Traceback (most recent call last):
        latente.errors.RunError: lr of the trainer is -1: input should be greater than 0
    """
    try:
        return TypeAdapter(Settings).validate_python(given)
    except ValidationError as error:
        raise RunError(explain(error, "the trainer", Settings.__dataclass_fields__)) from None
