r"""Odd examples among a run's own, each scored by a model that has not seen it.

A model assigns a high likelihood to what it was trained on, an odd example as well: the oddest picture of a training set may look
like the most usual one. So the examples are dealt into folds, and those of each are scored by a model that is trained, as the run
was, on the others. What costs most within an example is told by the terms that sum up to its distortion, each less its mean over
all examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data import Data, Examples
from ..data.rows import Rows
from ..data.table_files import named
from ..distributions.traits import by_element, shown
from ..errors import RunError
from ..runs import Run, resume, train
from ..runs.run import RECORD
from ..trace import Model, mean
from .bounds import evaluating, score, to_model

__all__ = ["Outliers", "find_outliers", "folds_of"]

VALIDATION = 0.1  # of the rows that a fold's model is trained on
BLOCK = 256


@dataclass(frozen=True, eq=False)
class Outliers:
    """Holds the examples of a run, the oddest first.

    Arguments:
        data: The data of the run.
        nats: The negative bound of the log-likelihood of each, of shape (N,).
        places: Which rows of the source they are, of shape (N,).
        x: The oddest as the model reads them, with shape (n, *).
        expected: What their codes say they should be, with shape (n, *).
        cost: The terms of their distortion, each less its mean, with shape (n, *); None where the likelihood is no sum over them.
        labels: The numbers of their classes, or None.
        folds: The models that scored them.
    """

    data: Data
    nats: np.ndarray
    places: np.ndarray
    x: Tensor
    expected: Tensor
    cost: Tensor | None
    labels: np.ndarray | None
    folds: int

    @property
    def rows(self) -> Rows:
        """What the rows of the source are called."""
        return self.data.rows

    def because(self) -> list[str]:
        """Says of the oddest what costs most."""
        return [
            "" if self.cost is None else self.data.kind.costliest(self.cost[i], self.data)
            for i in range(len(self.x))
        ]


@dataclass(frozen=True, eq=False)
class Scored:
    """Holds what a model finds of examples that it has not seen."""

    nats: Tensor
    x: Tensor
    expected: Tensor
    cost: Tensor | None
    y: Tensor | None


def folds_of(rows: np.ndarray, folds: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Deals rows into splits, so that each row is a test row of one.

    Example:
        >>> splits = folds_of(np.arange(20), 4, seed=0)
        >>> sorted(np.concatenate([s["test"] for s in splits]).tolist()) == list(range(20))
        True
        >>> {name: len(rows) for name, rows in splits[0].items()}
        {'train': 13, 'validation': 2, 'test': 5}
    """
    order = np.random.default_rng(seed).permutation(rows)
    parts = np.array_split(order, folds)
    splits = []
    for k, held in enumerate(parts):
        others = np.concatenate([part for j, part in enumerate(parts) if j != k])
        few = max(1, round(VALIDATION * len(others)))
        splits.append({"train": others[few:], "validation": others[:few], "test": held})
    return [{name: np.sort(rows) for name, rows in split.items()} for split in splits]


def find_outliers(
    run: Run, n: int = 20, folds: int = 3, draws: int = 20, said: Callable[[str], object] | None = None
) -> Outliers:
    """Scores all examples of a run, each by a model that was not trained on it.

    Arguments:
        run: The run. The models of the folds are trained as it was, on its data, and kept below its folder; they are trained
            once.
        n: The oddest examples to explain.
        folds: The number of models.
        draws: The importance samples of each score.
        said: Is called with a sentence before each model.

    Raises:
        RunError: If the run's model has no likelihood, builds on another run, or its data has too few rows.
    """
    run.needs_examples()
    if why := run.abilities.no.get("scores"):
        raise RunError(f"{run.path} tells no odd examples: {why}")
    if run.asked().of is not None:
        raise RunError(
            f"{run.path} builds on another run, which has seen all its examples: use latente score on new ones"
        )
    loaded = run.whole_data()
    rows = np.concatenate([loaded.indices[name] for name in ("train", "validation", "test")])
    if len(rows) < 3 * folds:
        raise RunError(f"{run.path} has {len(rows)} examples, too few for {folds} folds: give fewer --folds")
    found, places = [], []
    for k, split in enumerate(folds_of(rows, folds, run.settings.seed)):
        if said is not None:
            said(
                f"fold {k + 1} of {folds}: training without {len(split['test']):,} examples, which are then scored"
            )
        fitted = fold(run, split, f"{k + 1}-of-{folds}")
        found.append(scored(fitted.model, fitted.data.test, draws, run.settings.seed))
        places.append(fitted.data.indices["test"])
    return sorted_out(run, loaded, found, np.concatenate(places), n)


def fold(run: Run, split: dict[str, np.ndarray], name: str) -> Run:
    """Trains a model on a split as the run was trained, or goes on where that was left."""
    out, asked = run.path / "outliers" / name, run.asked()
    if (out / RECORD).exists():
        return resume(out)
    shares = {"label": asked.label, "options": asked.options, "arguments": run.record["arguments"]}
    return train(run.record["recipe"], asked.source, out, indices=split, **shares, **run.record["settings"])


@torch.no_grad()
def scored(model: Model, held: Examples, draws: int, seed: int) -> Scored:
    """Scores examples and takes them apart."""
    held = held.fixed()
    bounds = score(model, held, draws, seed)
    xs, expected, costs, y = [], [], [], held.y
    for start in range(0, len(held), BLOCK):
        with evaluating(model, seed):
            x, label = to_model(model, *held.batch(slice(start, start + BLOCK)))
            likelihood = model(x, label, choose=mean).likelihood
        cost = by_element(likelihood, x)
        xs.append(x.cpu())
        expected.append(shown(likelihood, seed=seed).cpu())
        costs += [] if cost is None else [cost.cpu()]
    nats = -(bounds.elbo if bounds.bound is None else bounds.bound)
    return Scored(nats, torch.cat(xs), torch.cat(expected), torch.cat(costs) if costs else None, y)


def sorted_out(run: Run, loaded: Data, found: list[Scored], places: np.ndarray, n: int) -> Outliers:
    """Puts the examples of all folds in order, the oddest first; a score that is no number comes first of all."""
    nats = torch.cat([each.nats for each in found]).double().numpy()
    order = np.argsort(-np.nan_to_num(nats, nan=np.inf), kind="stable")
    first = torch.from_numpy(order[:n].copy())
    cost = None
    if all(each.cost is not None for each in found):
        whole = torch.cat([each.cost for each in found if each.cost is not None])
        cost = whole[first] - whole.mean(0)
    y = (
        None
        if any(each.y is None for each in found)
        else torch.cat([each.y for each in found if each.y is not None])
    )
    return Outliers(
        data=loaded,
        nats=nats[order],
        places=places[order],
        x=torch.cat([each.x for each in found])[first],
        expected=torch.cat([each.expected for each in found])[first],
        cost=cost,
        labels=None if y is None or y.dim() > 1 else y.numpy()[order],
        folds=len(found),
    )


def table_of(found: Outliers) -> dict[str, np.ndarray]:
    """Returns a row for each example, the oddest first: its rank, what it is called, its score, and what costs most."""
    rows, n = found.rows, len(found.x)
    table = {"rank": np.arange(1, len(found.nats) + 1)}
    table[rows.column] = np.array([rows.called(int(place)) for place in found.places])
    table |= {name: np.asarray(column)[found.places] for name, column in rows.ids.items()}
    table["nats"] = found.nats
    if found.labels is not None:
        table["label"] = named([found.data.classes[k] if k >= 0 else "" for k in found.labels.tolist()])
    table["because"] = np.array([*found.because(), *[""] * (len(found.nats) - n)])
    return table
