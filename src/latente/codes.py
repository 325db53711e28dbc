"""Codes, scores and classes as tables: the tables of `latente encode`, `decode` and `score`.

A code is the posterior's mean, with its standard deviation beside it: the same for the same example up to rounding,
whatever the batch. A table has one row per example, see :mod:`latente.data.table_files`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .data import Data, Examples
from .data.kind import Kind
from .distributions import onto
from .distributions.traits import has_variance, number_of_names, shown
from .errors import DataError, LatenteError
from .models import label_law
from .trace import Model, mean

__all__ = ["classify", "decode", "encode", "score"]

BLOCK = 512


@torch.no_grad()
def encode(model: Model, examples: Examples) -> dict[str, np.ndarray]:
    """Returns the posterior means, `z_0 … z_d`, their standard deviations, `sd_0 … sd_d`, and the labels or captions.

    On a sphere a code is the direction of the mean. Of a flow it is the image of the noise's mean, without deviations.
    """
    examples = examples.fixed()
    means: dict[str, list[Tensor]] = {}
    deviations: dict[str, list[Tensor]] = {}
    for start in range(0, len(examples), BLOCK):
        x, y = examples.batch(slice(start, start + BLOCK))
        groups = model(x, y, choose=mean).latents
        needs_code(groups)
        for name, g in groups.items():
            assert g.q is not None
            means.setdefault(name, []).append(onto(g.p, g.q.mean).flatten(1))
            if has_variance(g.q):
                deviations.setdefault(name, []).append(g.q.stddev.flatten(1))
    table: dict[str, np.ndarray] = {}
    for name in means:
        table |= columns_of(name, torch.cat(means[name]))
        if name in deviations:
            table |= columns_of(sd_column(name), torch.cat(deviations[name]))
    y = examples.y
    if y is not None:
        table |= {"label": y.cpu().numpy()} if y.dim() == 1 else columns_of("caption", y)
    return table


def sd_column(name: str) -> str:
    return "sd" if name == "z" else f"{name}_sd"


def columns_of(name: str, values: Tensor) -> dict[str, np.ndarray]:
    return {f"{name}_{j}": column for j, column in enumerate(values.cpu().numpy().T)}


@torch.no_grad()
def decode(model: Model, table: Mapping[str, np.ndarray], data: Data) -> Tensor:
    """Returns the likelihood's means for the codes of a table, in the data's own units, or likeliest words, with shape (N, *).

    Of an autoregressive likelihood they are draws.

    Raises:
        DataError: If the table lacks a column of a latent group, or a label that the model needs.
    """
    first = next(iter(table.values()))
    y = None if "label" not in table else torch.tensor(np.asarray(table["label"])).long()
    words = [name for name in table if re.fullmatch(r"caption_\d+", name)]
    if words and "caption" in data.kind.has:
        for name in words:
            in_range(name, table[name], len(data.learned.vocabulary))
        words.sort(key=lambda name: int(name.removeprefix("caption_")))
        y = torch.tensor(np.stack([table[name] for name in words], 1)).int()
    example = data.test.batch(slice(0, 1))
    groups = (model(*example, choose=mean) if len(data.test) else model(size=1)).latents
    needs_code(groups)
    given = {}
    for name, g in groups.items():
        shape = g.z.shape[1:]
        wanted = [f"{name}_{j}" for j in range(shape.numel())]
        missing = [column for column in wanted if column not in table]
        if missing:
            raise DataError(
                f"the codes have no column {missing[0]!r}: the model's {name} has {len(wanted)} dimensions"
            )
        values = np.stack([np.asarray(table[column], dtype=np.float32) for column in wanted], 1)
        z = torch.from_numpy(values).unflatten(1, shape)
        many = number_of_names(g.p)
        if many is not None:
            for column in wanted:
                in_range(column, table[column], many)
            z = z.round().long()
        given[name] = onto(g.p, z)
    parts = []
    for start in range(0, len(first), BLOCK):
        rows = slice(start, start + BLOCK)
        block = {name: z[rows] for name, z in given.items()}
        try:
            trace = model(y=None if y is None else y[rows], size=len(first[rows]), given=block)
        except ValueError as error:
            raise DataError(f"the codes cannot be decoded: {error}") from None
        parts.append(shown(trace.likelihood, seed=0))  # draws are the same each time
    return data.inverse(torch.cat(parts))


def in_range(name: str, values: np.ndarray, many: int) -> None:
    """Refuses numbers that name nothing."""
    odd = ~((values >= 0) & (values < many))
    if odd.any():
        raise DataError(
            f"the column {name!r} holds {values[odd][0]:g}, and there are the numbers 0 to {many - 1}"
        )


def needs_code(groups: Mapping[str, object]) -> None:
    if not groups:
        raise LatenteError(
            "the model has no latent code: sample from it or score by it, and complete drawings by a model of drawings"
        )


def score(
    model: Model, examples: Examples, draws: int, seed: int = 0, kind: Kind | None = None
) -> dict[str, np.ndarray]:
    """Returns the bounds of each example, in nats: up to rounding the same, whatever the other examples are.

    Arguments:
        model: The model.
        examples: The examples.
        draws: The draws of the importance-weighted bound.
        seed: The seed of all draws.
        kind: The kind of data that the examples are, which may add columns.
    """
    from .evaluation import score

    found = score(model, examples.fixed(), draws, seed)
    table = {"elbo": found.elbo, "distortion": found.distortion, "rate": found.rate}
    table |= {} if found.bound is None else {"log_likelihood_bound": found.bound}
    table |= {} if kind is None else kind.columns_of_score(examples.x, found.elbo)
    return {name: values.numpy() for name, values in table.items()}


def classify(
    model: Model, examples: Examples, classes: Sequence[str], draws: int = 0, seed: int = 0
) -> dict[str, np.ndarray]:
    """Returns the number of the class that each example is taken for, and the probability of every class by its name.

    Arguments:
        model: A model that infers labels, or where `draws` is above 0 one that takes them.
        examples: The examples.
        classes: The names of the classes.
        draws: The importance samples per example and class for Bayes' rule; 0 for what the model infers.
        seed: The seed of the draws.
    """
    from .evaluation import classify_by_bayes, log_probabilities

    held = examples.fixed()
    if draws:
        each = (held.batch(slice(i, i + 1))[0] for i in range(len(held)))  # by itself: its draws are its own
        found = [classify_by_bayes(model, x, len(classes), draws, seed=seed) for x in each]
        p = torch.cat(found).exp().numpy()
    elif label_law(model) is not None:
        p = log_probabilities(model, held).exp().numpy()
    else:
        raise LatenteError("the model infers no labels: give the draws of Bayes' rule, e.g. 30")
    return {"class": p.argmax(1)} | {f"p_{name}": column for name, column in zip(classes, p.T)}
