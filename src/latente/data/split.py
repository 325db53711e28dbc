"""Three splits of the rows of a source: dealt out by one seeded permutation, or as a run recorded them.

Never in the order of the file, which is often sorted; what a source fixes itself stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from ..errors import DataError
from .raw import Raw

__all__ = ["SPLITS", "deal", "recorded_split"]

SPLITS = ("train", "validation", "test")


def check_shares(validation: float, test: float) -> None:
    for name, value in (("validation", validation), ("test", test)):
        if not 0 < value < 1:
            raise DataError(f"{name} is the fraction of rows set aside, between 0 and 1, not {value}.")
    if validation + test >= 1:
        raise DataError(f"validation={validation} and test={test} leave nothing to train on: lower them.")


def deal(
    raw: Raw, validation: float, test: float, seed: int, by: Literal["random", "time"] = "random"
) -> dict[str, np.ndarray]:
    """Splits the rows that have no predefined split; those of one group stay in one split.

    Arguments:
        raw: The source.
        validation: The fraction of rows to choose by.
        test: The fraction of rows to report.
        seed: Of the permutation.
        by: Whether rows, or groups, are dealt out at random, or in their order: the first to train on, the last to report.

    Raises:
        DataError: If the fractions leave nothing to train on, or there are fewer than three groups.
    """
    check_shares(validation, test)
    if by not in ("random", "time"):
        raise DataError(f"rows are split at random or by time, not {by!r}: split is one of random and time.")
    if raw.groups is not None:
        return deal_groups(raw.groups, validation, test, seed, by)
    split = {name: np.asarray(rows, dtype=np.int64) for name, rows in raw.splits.items()}
    pool = split.pop("train", np.arange(len(raw.x)))
    order = pool[np.random.default_rng(seed).permutation(len(pool))] if by == "random" else pool[::-1]
    for name, share in (("test", test), ("validation", validation)):
        if name not in split:
            chosen = taken(order, max(1, round(len(pool) * share)), share, raw.y if by == "random" else None)
            split[name] = np.sort(order[chosen])
            order = order[~chosen]
    split["train"] = np.sort(order)
    return {name: split[name] for name in SPLITS}


def taken(order: np.ndarray, count: int, share: float, y: np.ndarray | None) -> np.ndarray:
    """Takes the first rows of an order; where few labels are known, no more than their share of those that have one, but one.

    Arguments:
        order: The rows.
        count: How many to take.
        share: The fraction of those with a known label, of all that are left.
        y: The labels, -1 where one is unknown.

    Returns:
        Which of the rows are taken.
    """
    first = np.arange(len(order)) < count
    known = np.zeros(len(order), bool) if y is None else y[order] >= 0
    if not known.any() or known.all():
        return first
    most = max(1, int(share * known.sum()))
    few = known & (known.cumsum() <= most)
    others = ~known & ((~known).cumsum() <= count - few.sum())
    return few | others if (few | others).sum() == count else first


def deal_groups(
    groups: np.ndarray, validation: float, test: float, seed: int, by: Literal["random", "time"]
) -> dict[str, np.ndarray]:
    """Deals out groups, whole, until each split has its share of the rows, or nearly.

    Raises:
        DataError: If there are fewer than three.
    """
    names, first, counts = np.unique(groups, return_index=True, return_counts=True)
    if len(names) < 3:
        raise DataError(
            f"there are {len(names)} groups, and each split needs one of its own: choose another --group."
        )
    order = np.random.default_rng(seed).permutation(len(names)) if by == "random" else np.argsort(first)[::-1]
    chosen: dict[str, list[int]] = {"test": [], "validation": [], "train": []}
    left = [int(g) for g in order]
    for name, share in (("test", test), ("validation", validation)):
        rows = 0
        while len(left) > (2 if name == "test" else 1) and (not rows or rows < share * len(groups)):
            rows += int(counts[left[0]])
            chosen[name].append(left.pop(0))
    chosen["train"] = left
    return {name: np.flatnonzero(np.isin(groups, names[chosen[name]])) for name in SPLITS}


def recorded_split(raw: Raw, indices: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Returns the split that a run recorded.

    Raises:
        DataError: If it does not fit the source.
    """
    split = {name: np.asarray(indices.get(name, ()), dtype=np.int64) for name in SPLITS}
    for name, rows in split.items():
        if not len(rows) or rows.min() < 0 or rows.max() >= len(raw.x):
            raise DataError(
                f"The recorded split {name} does not fit {source}, which has {len(raw.x):,} rows: "
                "put back the data the run was made with, or start a new run."
            )
    return split
