"""Codes, scores and classes as tables: the tables of `latente encode`, `decode` and `score`.

A code is the posterior's mean, with its standard deviation beside it: the same for the same example up to rounding,
whatever the batch. A table has one row per example, see :mod:`latente.data.table_files`; `rows_of` says which row or
file of the source it is, and gives rows that hold no example their reason. Labels and classes are written by their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .abilities import taken
from .data import Data, Examples, Reading
from .data.kind import Kind
from .data.table_files import joined, named, numbers_of
from .distributions import onto
from .distributions.traits import has_variance, number_of_names, shown
from .errors import DataError, LatenteError
from .models import label_law
from .trace import Latent, Model, mean

__all__ = [
    "classify",
    "decodable",
    "decode",
    "encode",
    "passed_through",
    "probabilities",
    "rows_of",
    "score",
]

BLOCK = 512
LEFT_OUT = "left_out"


def rows_of(reading: Reading, found: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Puts what was found of examples beside what their source calls them: the row or file, ids, and the label.

    Where rows of the source hold no example, they stand in their place, with a reason in the column `left_out`.

    Arguments:
        reading: The examples as they were read.
        found: Columns, a value for each example.
        where: The file that is to be written.

    Raises:
        DataError: If two columns would have one name.
    """
    rows = reading.rows
    called = {rows.column: np.array([rows.called(i) for i in range(len(reading))])}
    ids = {name: np.asarray(column) for name, column in rows.ids.items()}
    label = {"label": named(reading.labels)} if reading.labels else {}
    table = joined(joined(joined(called, ids, where), found, where), label, where)
    return with_left_out(table, reading) if rows.left_out else table


def with_left_out(table: Mapping[str, np.ndarray], reading: Reading) -> dict[str, np.ndarray]:
    """Puts in the rows that hold no example."""
    rows = reading.rows
    places, names, reasons = zip(*rows.left_out, strict=True)
    kept = np.insert(np.ones(len(reading), bool), places, False)
    wide: dict[str, np.ndarray] = {name: spread_out(column, kept) for name, column in table.items()}
    wide[rows.column] = np.insert(table[rows.column].astype(object), places, names)
    wide[rows.column] = np.array(wide[rows.column].tolist())
    return {**wide, LEFT_OUT: np.insert(np.full(len(reading), "", object), places, reasons).astype(str)}


def decodable(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the rows of a table of codes that are of an example, and not of one that was left out."""
    reasons = table.get(LEFT_OUT)
    if reasons is None or reasons.dtype.kind not in "USO":
        return dict(table)
    kept = np.array([reason in ("", None) for reason in reasons.tolist()])
    return {name: column[kept] for name, column in table.items()}


def spread_out(column: np.ndarray, kept: np.ndarray) -> np.ma.MaskedArray:
    """Leaves an empty cell where no example is."""
    wide = np.ma.masked_all(len(kept), column.dtype)
    wide[kept] = column
    return wide


def passed_through(table: Mapping[str, np.ndarray], groups: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the columns of a table of codes that say which examples they are of: all that are no codes of some groups.

    Example:
        >>> list(passed_through({"row": np.ones(1), "z_0": np.ones(1), "sd_0": np.ones(1), "label": np.ones(1)}, ["z"]))
        ['row', 'label']
    """
    code = re.compile(rf"(?:{'|'.join(map(re.escape, groups))})(?:_sd)?_\d+|sd_\d+|caption_\d+|{LEFT_OUT}")
    return {name: column for name, column in table.items() if not code.fullmatch(name)}


@torch.no_grad()
def encode(model: Model, examples: Examples, classes: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Returns the posterior means, `z_0 … z_d`, their standard deviations, `sd_0 … sd_d`, and the labels or captions.

    On a sphere a code is the direction of the mean. Of a flow it is the image of the noise's mean, without deviations.

    Arguments:
        model: The model.
        examples: The examples.
        classes: The names of the classes; without them there is no column `label`.
    """
    examples = examples.fixed()
    if examples.labelled is not None:
        return of_two(model, examples, examples.labelled, classes)
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
    if y is not None and y.dim() > 1:
        table |= columns_of("caption", y)
    elif y is not None and classes:
        table["label"] = named([[*classes, ""][i] for i in y.tolist()])
    return table


def of_two(
    model: Model, examples: Examples, labelled: Tensor, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Encodes examples with labels and those without each as such, and puts them together in their order."""
    known = labelled.numpy()
    bare = Examples(examples.x[~labelled], None, examples.look)
    parts = [(known, encode(model, examples.known())), (~known, encode(model, bare))]
    table: dict[str, np.ndarray] = {}
    for rows, part in parts:
        for name, column in part.items():
            table.setdefault(name, np.ma.masked_all(len(known), column.dtype))[rows] = column
    assert examples.y is not None
    names = [[*classes, ""][i] for i in examples.y.tolist()] if classes else []
    return {**table, "label": named(names)} if classes else table


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
    y = numbered(table["label"], data.classes) if "label" in table and takes_labels(model) else None
    words = [name for name in table if re.fullmatch(r"caption_\d+", name)]
    if words and "caption" in data.kind.has:
        for name in words:
            in_range(name, finite(table, name), len(data.learned.vocabulary))
        words.sort(key=lambda name: int(name.removeprefix("caption_")))
        y = torch.tensor(np.stack([finite(table, name) for name in words], 1)).int()
    groups = latents_of(model, data, None if y is None else y[:1])
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
        values = np.stack([finite(table, column) for column in wanted], 1)
        z = torch.from_numpy(values).unflatten(1, shape)
        many = number_of_names(g.p)
        if many is not None:
            for column in wanted:
                in_range(column, finite(table, column), many)
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


def latents_of(model: Model, data: Data, y: Tensor | None) -> Mapping[str, Latent]:
    """Returns the latent groups of a draw, or of an example where the prior cannot be drawn from: any one serves."""
    try:
        return model(y=y, size=1).latents
    except ValueError:
        pass
    x, known = data.test.batch(slice(0, 1)) if len(data.test) else (torch.zeros(1, *data.shape), None)
    return model(x, known if y is None else y, choose=mean).latents


def takes_labels(model: Model) -> bool:
    """Tells whether a model is conditioned on labels."""
    return taken(model) == "labels"


def numbered(labels: np.ndarray, classes: Sequence[str]) -> Tensor:
    """Returns labels by the numbers of their classes; a number may be written otherwise than the class's name, as 3.0.

    Raises:
        DataError: If one is none of the classes.
    """
    numbers = {name: i for i, name in enumerate(classes)}
    found = []
    for row, label in enumerate(np.ma.getdata(labels).tolist(), 1):
        text = f"{label:.0f}" if isinstance(label, float) and label.is_integer() else str(label)
        if text not in numbers:
            raise DataError(
                f"the codes have the label {text!r} in row {row}, which is none of the run's classes: {', '.join(classes)}"
            )
        found.append(numbers[text])
    return torch.tensor(found)


def finite(table: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Returns a column of codes.

    Raises:
        DataError: If a cell is empty, or holds no number.
    """
    values = numbers_of(table, name, "the codes")
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        raise DataError(
            f"the codes hold {values[odd[0]]:g} in the column {name!r}, row {odd[0] + 1}: fill it in, or drop that row"
        )
    return values.astype(np.float32)


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
    """Returns the class that each example is taken for, and the probability of every class by its name; see `probabilities`."""
    p = probabilities(model, examples, len(classes), draws, seed).numpy()
    taken_for = named([classes[k] for k in p.argmax(1)])
    return {"class": taken_for} | {f"p_{name}": column for name, column in zip(classes, p.T)}


@torch.no_grad()
def probabilities(model: Model, examples: Examples, classes: int, draws: int = 0, seed: int = 0) -> Tensor:
    """Returns the probability of every class for each example, with shape (N, K).

    Arguments:
        model: A model that infers labels, or where `draws` is above 0 one that takes them.
        examples: The examples.
        classes: The number of classes.
        draws: The importance samples per example and class for Bayes' rule; 0 for what the model infers.
        seed: The seed of the draws.
    """
    from .evaluation import classify_by_bayes, log_probabilities

    held = examples.fixed()
    if draws:
        each = (held.batch(slice(i, i + 1))[0] for i in range(len(held)))  # by itself: its draws are its own
        return torch.cat([classify_by_bayes(model, x, classes, draws, seed=seed) for x in each]).exp()
    if label_law(model) is None:
        raise LatenteError("the model infers no labels: give the draws of Bayes' rule, e.g. 30")
    return log_probabilities(model, held).exp()
