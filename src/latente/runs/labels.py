"""Chooses the few examples whose labels count, and leaves the others out or hides their labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..data import Data, Examples
from ..errors import DataError

LABELLED = "labelled"  # rows of the training examples, in split.npz: the others are left out
KNOWN_LABELS = "known_labels"  # rows of them, too: the others stay without their labels


def balanced_subset(train: Examples, labels: int, seed: int) -> np.ndarray:
    """Chooses rows at random, as many of each class as can be; fewer labels are among more of the same seed.

    Raises:
        DataError: If there are not so many, or none.
    """
    known = 0 if train.y is None else int((train.y >= 0).sum())
    if train.y is None or labels > known:
        raise DataError(f"labels is {labels}, and {known} training examples have one: choose fewer")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    order = order[train.y[order] >= 0]
    y = train.y[order]
    place = torch.empty_like(y)  # among those of its class
    for k in y.unique():
        place[y == k] = torch.arange(int((y == k).sum()))
    return order[place.argsort(stable=True)[:labels]].sort().values.numpy()


def restricted(found: Data, labelled: np.ndarray) -> Data:
    """Leaves in training the rows whose labels count."""
    rows, all_of = torch.from_numpy(labelled), found.train
    train = replace(all_of, x=all_of.x[rows], y=None if all_of.y is None else all_of.y[rows])
    return replace(found, train=train, indices={**found.indices, LABELLED: labelled})


def with_known_labels(found: Data) -> Data:
    """Leaves the examples in validation and test whose labels are known, for a model that reads labels.

    Raises:
        DataError: If a label of a training example is unknown, or none of validation is known.
    """
    unknown = {
        name: (e.y < 0).nonzero().flatten()
        for name, e in found.named_splits()
        if e.y is not None and e.y.dim() == 1
    }
    if not any(map(len, unknown.values())):
        return found
    if len(rows := unknown["train"]):
        first = found.rows.called(int(found.indices["train"][int(rows[0])]))
        raise DataError(
            f"{found.name}: the labels of {len(rows):,} of {len(found.train):,} training examples are unknown, the first of "
            f"{found.rows.column} {first}, and the recipe reads labels: fill them in, drop these rows, or use a recipe for "
            "few labels (latente recipes)."
        )
    if len(unknown["validation"]) == len(found.validation):
        raise DataError(
            f"{found.name}: no label of the validation split is known, and the recipe reads labels."
        )
    return with_known(with_known(found, "validation"), "test")


def with_known(found: Data, name: str) -> Data:
    """Leaves the examples in a split whose labels are known, unless none is; the others are in no split."""
    whole: Examples = getattr(found, name)
    if whole.labelled is None or not whole.labelled.any():
        return found
    rows = found.indices[name][whole.labelled.numpy()]
    changed: dict[str, Any] = {name: whole.known(), "indices": {**found.indices, name: rows}}
    said = f"{len(rows):,} of the {len(whole):,} examples of {name} have a known label: the others are left out of it"
    return replace(found, **changed, note="; ".join(filter(None, (found.note, said))))


def hide_labels(found: Data, kept: np.ndarray) -> Data:
    """Hides the labels of all but the chosen rows: they become -1."""
    y = found.train.y
    assert y is not None
    known = torch.full_like(y, -1)
    known[torch.from_numpy(kept)] = y[torch.from_numpy(kept)]
    return replace(found, train=replace(found.train, y=known), indices={**found.indices, KNOWN_LABELS: kept})
