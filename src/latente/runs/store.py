"""Keeps what was measured of a run in its folder, returns it while the weights are the same, and overwrites no other folder.

What is stored names the SHA-256 of the weights that it is of and what was asked, so that a folder may be copied or unpacked, and
figures of another split or number of examples are never taken for those that were asked for.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..training.checkpoint import WEIGHTS, write_whole
from ..trusted import read_signed, signed

__all__ = ["Stored", "keep", "kept", "reason", "unused", "weights_of"]


@dataclass(frozen=True)
class Stored:
    """Holds what was measured.

    Arguments:
        asked: How it was asked for.
        found: What was found, as JSON holds it.
    """

    asked: Mapping[str, Any]
    found: Mapping[str, Any]


def weights_of(folder: Path) -> str | None:
    """Returns the SHA-256 of a run's weights; None where there are none."""
    try:
        with (folder / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def keep(folder: Path, name: str, asked: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Writes what was measured, beside what was asked and the weights that it is of."""
    content = {"weights": weights_of(folder), "asked": dict(asked), "found": found}
    write_whole(folder / name, signed(content))


def kept(folder: Path, name: str) -> Stored | None:
    """Reads what was measured of the weights that are there; None where nothing was, or the file is damaged, with a warning."""
    file = folder / name
    if not file.exists():
        return None
    try:
        content = read_signed(file.read_bytes())
        weights, stored = content["weights"], Stored(dict(content["asked"]), dict(content["found"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        damaged(file, error)
        return None
    return stored if weights == weights_of(folder) else None


def damaged(file: Path, error: Exception) -> None:
    """Warns that a file of figures cannot be read."""
    warnings.warn(f"{file} is damaged, or of another version ({reason(error)}): it is not used", stacklevel=3)


def reason(error: Exception) -> str:
    """Says in words why a file of JSON cannot be used; the errors of a lookup say only a name or a type."""
    match error:
        case KeyError():
            return f"it has no {error}"
        case TypeError():
            return "it holds no fields by name"
    return str(error)


def unused(folder: Path) -> Path:
    """Returns a folder that is not there yet: the one named, or else that name with the first number free, from 2 on."""
    numbered = (folder.with_name(f"{folder.name}-{i}") for i in itertools.count(2))
    return next(path for path in itertools.chain([folder], numbered) if not path.exists())
