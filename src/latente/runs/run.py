"""Opens the folder of a run: its record, its data as it was split, and its model."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, recipes
from ..abilities import Abilities
from ..data import Data
from ..data.kind import Kind, kinds
from ..data.vocabulary import Vocabulary
from ..errors import RunError
from ..nn import CaptionEncoder
from ..notebook import table
from ..objectives import Objective
from ..settings import Settings, settings
from ..trace import Model
from ..training.checkpoint import WEIGHTS
from ..training.logs import METRICS, best_validation, read_metrics
from ..trusted import Damaged, read_signed
from .labels import KNOWN_LABELS, LABELLED, hide_labels, restricted
from .store import reason, weights_of
from .weights import load

RECORD, SPLIT = "run.json", "split.npz"


@dataclass(frozen=True)
class Asked:
    """Holds a run's data and options, beside its recipe and its settings: with these, `train` reproduces it.

    Arguments:
        source: The name or path of its data; None where its weights were imported.
        label: The column of a table that holds the labels.
        validation: The share of rows for validation.
        test: The share of rows for the test.
        split: How rows are dealt out, "random" or "time".
        options: How the data was loaded.
        of: The folder of the run that it builds on, where it does.
    """

    source: str
    label: str | None
    validation: float
    test: float
    split: str
    options: Mapping[str, Any]
    of: str | None


@dataclass(frozen=True)
class Run:
    """Opens the folder of a run.

    Arguments:
        path: The folder.
        record: What `run.json` holds.
        loaded: Its data, where it is at hand; it is loaded when it is needed elsewhere.
    """

    path: Path
    record: Mapping[str, Any]
    loaded: Data | None = field(default=None, repr=False, compare=False)

    @staticmethod
    def open(path: Path | str) -> Run:
        """Reads a run's record.

        Raises:
            RunError: If the folder is not there, is not a run, or its record is damaged.
        """
        file = Path(path) / RECORD
        try:
            record = read_signed(file.read_bytes())
            for key in ("recipe", "about", "arguments", "abilities", "data", "settings", "files"):
                record[key]
        except FileNotFoundError:
            raise RunError(
                f"{path} is not a run: it has no {RECORD}; name the folder that --out named"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file} is damaged ({reason(error)}): the run cannot be opened") from None
        return Run(Path(path), record)

    def _repr_html_(self) -> str:
        about = self.record["data"]
        best = best_validation([line for line in self.metrics() if line["split"] == "validation"])
        rows = [
            ("folder", self.path),
            ("data", about["benchmark"]),
            ("sizes", ", ".join(f"{name} {size:,}" for name, size in about["sizes"].items())),
            *((name, value) for name, value in self.record["arguments"].items()),
        ]
        if best is not None and "loss" in best:
            rows.append(("best validation", f"{best['loss']:.4g} {self.kind.unit} at step {best['step']}"))
        return table(self.record["recipe"], rows)

    @property
    def kind(self) -> Kind:
        """The kind of data that the run learned from."""
        return kinds()[self.record["data"]["kind"]]

    @property
    def recipe(self) -> recipes.Recipe[...]:
        """The recipe of the run."""
        return recipes.find(self.record["recipe"])

    @cached_property
    def data(self) -> Data:
        """The data of the run, split as it was when the run started; without examples where its weights were imported."""
        if self.loaded is not None:
            return self.loaded
        about = self.record["data"]
        if about["source"] is None:
            return kinds()[about["kind"]].empty(about)
        found = self.whole_data()
        split = self.split()
        if KNOWN_LABELS in split:
            return hide_labels(found, split[KNOWN_LABELS])
        return restricted(found, split[LABELLED]) if LABELLED in split else found

    @property
    def without_examples(self) -> Data:
        """What the run learned of its data, and no example: enough to draw from the model, and nothing is loaded."""
        if self.loaded is not None:
            return self.loaded
        about = self.record["data"]
        return self.kind.empty(about)

    def at(self, source: str | None) -> Run:
        """Returns the run with its data elsewhere; None leaves it where it was.

        Arguments:
            source: Where its data is now. It is held against the fingerprint when it is loaded.
        """
        if source is None:
            return self
        path = os.path.expanduser(source)
        about = {**self.record["data"], "source": os.path.realpath(path) if os.path.exists(path) else source}
        return replace(self, record={**self.record, "data": about})

    def needs_examples(self) -> None:
        """Refuses a run whose weights were imported.

        Raises:
            RunError: If it has no data of its own.
        """
        if self.record["data"]["source"] is None:
            raise RunError(
                f"{self.path} is of imported weights and has no data: sample from it, or give drawings to complete and to score"
            )

    def split(self) -> dict[str, np.ndarray]:
        """Returns the rows that each split took of the source."""
        try:
            content = (self.path / SPLIT).read_bytes()
            if hashlib.sha256(content).hexdigest() != self.record["files"][SPLIT]:
                raise Damaged("its checksum does not match")
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (
            OSError,
            EOFError,
            ValueError,
            TypeError,
            LookupError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise RunError(f"{self.path / SPLIT} is missing or damaged ({error}): start a new run") from None

    def asked(self) -> Asked:
        """Returns how the run was asked for: its data, how it was loaded, and the run that it builds on."""
        about = self.record["data"]
        known = {name: about[name] for name in ("source", "label", "validation", "test", "split")}
        of = self.record["of"]["path"] if "of" in self.record else None
        return Asked(**known, options=about["options"], of=of)

    def load_data(self, label: str | None = None) -> Data:
        """Loads the data of the run in its split, with its grey levels and all its labels, or those of another column."""
        about, asked = self.record["data"], self.asked()
        known = label in (None, asked.label)
        if asked.source not in data.SOURCES and not os.path.exists(os.path.expanduser(asked.source)):
            raise RunError(
                f"the data of {self.path} is not at {asked.source!r} any more: say where it is with --data, or put it back"
            )
        return data.load(
            asked.source,
            label=asked.label if known else label,
            indices=self.split(),
            fingerprint=about["fingerprint"] if known else None,
            reads=about["kind"],
            learned=about["learned"],
            **asked.options,
        )

    def whole_data(self) -> Data:
        """Loads the data of the run in its split, as it was read, and with all its labels."""
        found = self.load_data()
        return found.kind.reopened(found, self.record["data"])

    def base(self) -> Run:
        """Opens the run that this one builds on.

        Raises:
            RunError: If it is not there any more, or has other weights than when this run started.
        """
        try:
            path, weights = (self.record["of"][name] for name in ("path", "weights"))
        except (KeyError, TypeError):
            raise RunError(
                f"{self.path / RECORD} is damaged: it does not name the run that it builds on"
            ) from None
        remedy = f"{self.path} builds on it and has no checkpoint yet: put it back, or start a new run"
        try:
            found = Run.open(path)
            now = found.weights()
        except RunError as error:
            raise RunError(f"{error}; {remedy}") from None
        if now != weights:
            raise RunError(
                f"{path} has other weights than when this run started ({now[:12]} now, {weights[:12]} then); {remedy}"
            )
        return found

    def named(self) -> dict[str, Any]:
        """Returns what another run that builds on this one records of it."""
        return {"path": str(self.path.resolve()), "weights": self.weights(), "beta": self.beta()}

    def weights(self) -> str:
        """Returns the SHA-256 of the file of weights."""
        found = weights_of(self.path)
        if found is None:
            raise RunError(
                f"{self.path / WEIGHTS} is not there: a run has its first weights after its first validation"
            )
        return found

    @cached_property
    def model(self) -> Model:
        """The model with its best weights, in evaluation mode."""
        return load(self.path)

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the captions that the run's model reads.

        Raises:
            RunError: If it reads none.
        """
        about = self.record["data"]
        found = kinds()[about["kind"]].vocabulary(about["learned"])
        if found is None or not self.abilities.reads_captions:
            raise RunError(
                f"{self.path} reads no captions: train text-to-image, align-draw or caption-vae on images with captions"
            )
        return found

    @property
    def longest(self) -> int | None:
        """The most tokens of a caption that the model reads; None for all."""
        found = [m.longest for m in self.model.modules() if isinstance(m, CaptionEncoder)]
        return next((longest for longest in found if longest is not None), None)

    @cached_property
    def abilities(self) -> Abilities:
        """The abilities of the run's model."""
        return Abilities.of_json(self.record["abilities"])

    @cached_property
    def settings(self) -> Settings:
        return settings(**self.record["settings"])

    @cached_property
    def objective(self) -> Objective:
        """The objective that the model was trained by."""
        return recipes.remake(self.record).objective

    @property
    def title(self) -> str:
        """A name for figures: recipe and benchmark."""
        return f"{self.record['recipe']} on {self.record['data']['benchmark']}"

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of the log."""
        return read_metrics(self.path / METRICS)

    def beta(self) -> tuple[float, float]:
        """Returns the weight of the rate that was last in force, and the one it was to end with."""
        logged = [line["beta"] for line in self.metrics() if line["split"] == "train" and "beta" in line]
        last, limit = self.record["of"]["beta"] if "of" in self.record else (1.0, 1.0)
        return self.objective.core.betas(logged, (last, limit))

    def floor(self) -> float:
        """Returns the nats of the whole rate that cost nothing in training."""
        return self.objective.core.floor
