"""Keeps what was measured of a run in its folder, returns it while the weights are the same, and overwrites no other folder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.checkpoint import WEIGHTS, write_whole

if TYPE_CHECKING:
    from ..evaluation import Classification, Evaluation, Fidelity, SampleQuality

EVALUATION, FIDELITY, QUALITY = "evaluation.json", "fidelity.json", "quality.json"


def keep(folder: Path, name: str, found: Evaluation | Classification | Fidelity | SampleQuality) -> None:
    """Writes what was measured."""
    write_whole(folder / name, json.dumps(found.to_json(), indent=1).encode())


def fresh(folder: Path, name: str) -> dict[str, Any] | None:
    """Reads what was measured, if that was since the weights were written."""
    file, weights = folder / name, folder / WEIGHTS
    if not file.exists() or not weights.exists() or file.stat().st_mtime < weights.stat().st_mtime:
        return None
    content: dict[str, Any] = json.loads(file.read_bytes())
    return content


def unused(folder: Path) -> Path:
    """Returns a folder that is not there yet: the one named, or else that name with the first number free, from 2 on."""
    numbered = (folder.with_name(f"{folder.name}-{i}") for i in itertools.count(2))
    return next(path for path in itertools.chain([folder], numbered) if not path.exists())


def evaluation(folder: Path) -> Evaluation | Classification | None:
    """Returns the stored evaluation, if it is of the weights that are there."""
    from ..evaluation import Classification, Evaluation

    content = fresh(folder, EVALUATION)
    if content is None:
        return None
    kind = Classification if "cross_entropy" in content else Evaluation
    return kind.of_json(content)


def quality(folder: Path) -> SampleQuality | None:
    """Returns the stored quality of samples, if it is of the weights that are there."""
    from ..evaluation import SampleQuality

    content = fresh(folder, QUALITY)
    return None if content is None else SampleQuality.of_json(content)
