"""Holds data against the support of a model's likelihood: outside of it log p(x|z) is a number that means nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..data.examples import Examples
from ..distributions.traits import Domain, domain
from ..trace import Model
from .stream import chunks

__all__ = ["Outside", "domain_of", "outside"]


@dataclass(frozen=True)
class Outside:
    """Holds what lies outside of a support.

    Arguments:
        place: The first number of an example that does, counted over all of its numbers.
        value: Its value there.
        low: The least value of that number.
        high: The largest.
    """

    place: int
    value: float
    low: float
    high: float


def domain_of(model: Model, examples: Examples) -> Domain | None:
    """Returns the values that a model's likelihood takes; None where it takes all that are real, or its kind has its own."""
    training = model.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        x, y = examples.batch(slice(0, 2))
        device = next((p.device for p in model.parameters()), x.device)
        trace = model.eval()(x.to(device), None if y is None else y.to(device))
    model.train(training)
    return domain(trace.likelihood)


def outside(known: Domain, examples: Examples) -> Outside | None:
    """Returns what of the examples lies outside; None where nothing does."""
    found: Outside | None = None
    is_whole = examples.x.is_floating_point()  # bytes are alike everywhere: a block of them tells
    for rows in chunks(examples):
        x = examples.batch(rows)[0].flatten(1)
        if found is None:
            bad = known.outside(x)
            if bad.any():
                row, place = (int(i) for i in bad.nonzero()[0])
                found = Outside(place, x[row, place].item(), torch.inf, -torch.inf)
        if found is not None:
            column = x[:, found.place]
            low, high = min(found.low, column.min().item()), max(found.high, column.max().item())
            found = Outside(found.place, found.value, low, high)
        if not is_whole:
            break
    return found
