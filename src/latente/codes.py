"""Codes and scores as files: what `latente encode`, `decode` and `score` read and write.

A code is the posterior's mean, with its standard deviation beside it: the same for the same example up to rounding,
whatever the batch. A file is a table with one row an example, as `.parquet` (extra `tables`), `.csv` or `.npz`.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .data import Data, Examples
from .distributions import onto
from .distributions.strokes import lengths_of
from .distributions.traits import has_variance, number_of_names, shown
from .errors import DataError, LatenteError
from .models import label_law
from .trace import Model, mean

__all__ = ["classify", "decode", "encode", "read_table", "score", "write_table"]

BLOCK = 512


@torch.no_grad()
def encode(model: Model, examples: Examples) -> dict[str, np.ndarray]:
    """Returns the posterior means, `z_0 … z_d`, their standard deviations, `sd_0 … sd_d`, and the labels or captions.

    On a sphere a code is the direction of the mean. Of a flow it is the image of the noise's mean, without deviations.
    """
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
            table |= columns_of(spread(name), torch.cat(deviations[name]))
    y = examples.fixed().y
    if y is not None:
        table |= {"label": y.cpu().numpy()} if y.dim() == 1 else columns_of("caption", y)
    return table


def spread(name: str) -> str:
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
    if words and data.captions is not None:
        for name in words:
            in_range(name, table[name], len(data.captions))
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


def score(model: Model, examples: Examples, draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns the bounds of each example, in nats: up to rounding the same, whatever the other examples are."""
    from .evaluation import score

    found = score(model, examples.fixed(), draws, seed)
    table = {"elbo": found.elbo, "distortion": found.distortion, "rate": found.rate}
    table |= {} if found.bound is None else {"log_likelihood_bound": found.bound}
    if examples.x.dim() == 3:  # drawings, whose nats grow with their points
        points = lengths_of(examples.x).cpu()
        table |= {"points": points, "nats_a_point": -found.elbo / (points + 1)}
    return {name: values.numpy() for name, values in table.items()}


def classify(
    model: Model, examples: Examples, classes: Sequence[str], draws: int = 0, seed: int = 0
) -> dict[str, np.ndarray]:
    """Returns the number of the class that each example is taken for, and the probability of every class by its name.

    Arguments:
        model: A model that infers labels, or where `draws` is above 0 one that takes them.
        examples: The examples.
        classes: The names of the classes.
        draws: The draws an example and class of the bounds that Bayes' rule reads; 0 for what the model infers.
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


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    """Writes columns of one length.

    Raises:
        LatenteError: If the extension is none of .parquet, .csv and .npz, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path, Mapping[str, np.ndarray]], None]] = {
        ".parquet": write_parquet,
        ".csv": write_csv,
        ".npz": write_npz,
    }
    if path.suffix not in writers:
        raise LatenteError(f"{path} ends in {path.suffix or 'nothing'}: choose {', '.join(writers)}")
    part = path.with_name(f".part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LatenteError(f"{path} cannot be written: {error.strerror}") from None
    try:
        writers[path.suffix](part, table)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LatenteError(f"{path} cannot be written: {error.strerror}") from None


def write_npz(path: Path, table: Mapping[str, np.ndarray]) -> None:
    np.savez_compressed(path, **dict(table))  # type: ignore[arg-type]


def write_csv(path: Path, table: Mapping[str, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(table)
        rows.writerows(zip(*(column.tolist() for column in table.values())))


def write_parquet(path: Path, table: Mapping[str, np.ndarray]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LatenteError(
            "parquet files need pyarrow: pip install 'latente[tables]', or choose .csv"
        ) from None
    pyarrow.parquet.write_table(pyarrow.table(dict(table)), path)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Reads what `write_table` wrote.

    Raises:
        DataError: If the file is missing, empty, damaged, or of another kind.
    """
    try:
        if path.suffix == ".npz":
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                table = {name: file[name] for name in file.files}
        elif path.suffix == ".parquet":
            import pyarrow.parquet

            table = {
                name: column.to_numpy()
                for name, column in zip(*parquet_columns(pyarrow.parquet.read_table(path)))
            }
        elif path.suffix == ".csv":
            with path.open(newline="") as lines:
                header, *rows = csv.reader(lines)
            table = {name: np.array([float(row[j]) for row in rows]) for j, name in enumerate(header)}
        else:
            raise DataError(f"{path} is no table of codes: latente encode writes .parquet, .csv and .npz")
    except ImportError:
        raise DataError("parquet files need pyarrow: pip install 'latente[tables]'") from None
    except (OSError, EOFError, ValueError, TypeError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table of codes: {error}") from None
    if len({column.shape for column in table.values()}) > 1 or any(c.ndim != 1 for c in table.values()):
        raise DataError(f"{path} is no table of codes: its columns differ in length")
    if not table or not len(next(iter(table.values()))):
        raise DataError(f"{path} has no rows")
    return table


def parquet_columns(table: object) -> tuple[list[str], list]:
    return table.column_names, table.columns  # type: ignore[attr-defined]
