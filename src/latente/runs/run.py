"""Opens the folder of a run: its record, its data as it was split, its model, and what was measured of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from .. import data, recipes
from ..abilities import Abilities
from ..data import Data
from ..data.kind import kinds
from ..data.vocabulary import Vocabulary
from ..divergences import FreeBits
from ..errors import RunError
from ..models import GAN, Classifier
from ..nn import CaptionEncoder
from ..objectives import ELBO, FitPrior, Objective
from ..schedules import Clock, Schedule
from ..settings import Settings, settings
from ..trace import Model
from ..training.checkpoint import WEIGHTS
from ..training.logs import METRICS, read_metrics
from . import store
from .labels import LABELLED, TOLD, half_told, restricted
from .weights import load

if TYPE_CHECKING:
    from ..evaluation import Classification, Evaluation, Fidelity, SampleQuality

RECORD, SPLIT = "run.json", "split.npz"


@dataclass(frozen=True)
class Asked:
    """Holds how a run was asked for, beside its recipe and its settings: with these, `train` makes it again.

    Arguments:
        source: The name or path of its data; None where its weights were imported.
        label: The column of a table that holds the labels.
        validation: The share of rows for validation.
        test: The share of rows for the test.
        options: How the data was loaded.
        of: The folder of the run that it builds on, where it does.
    """

    source: str
    label: str | None
    validation: float
    test: float
    options: Mapping[str, Any]
    of: str | None


@dataclass(frozen=True)
class Run:
    """Opens the folder of a run.

    Arguments:
        path: The folder.
        record: What `run.json` holds.
    """

    path: Path
    record: Mapping[str, Any]

    @staticmethod
    def open(path: Path | str) -> Run:
        """Reads a run's record.

        Raises:
            RunError: If the folder is not there, is not a run, or its record is damaged.
        """
        file = Path(path) / RECORD
        try:
            record = json.loads(file.read_bytes())
            for key in ("recipe", "about", "arguments", "abilities", "data", "settings"):
                record[key]
        except FileNotFoundError:
            raise RunError(
                f"{path} is not a run: it has no {RECORD}; name the folder that --out named"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file} is damaged ({error}): the run cannot be opened") from None
        return Run(Path(path), record)

    @property
    def recipe(self) -> recipes.Recipe[...]:
        """The recipe of the run."""
        return recipes.find(self.record["recipe"])

    @cached_property
    def data(self) -> Data:
        """The data of the run, split as it was when the run started; without examples where its weights were imported."""
        about = self.record["data"]
        if about["source"] is None:
            return kinds()[about["kind"]].empty(about)
        found = self.whole_data()
        split = self.split()
        if TOLD in split:
            return half_told(found, split[TOLD])
        return restricted(found, split[LABELLED]) if LABELLED in split else found

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
            with (self.path / SPLIT).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise RunError(f"{self.path / SPLIT} is missing or damaged ({error}): start a new run") from None

    def asked(self) -> Asked:
        """Returns how the run was asked for: its data, how it was loaded, and the run that it builds on."""
        about = self.record["data"]
        known = {name: about[name] for name in ("source", "label", "validation", "test")}
        of = self.record["of"]["path"] if "of" in self.record else None
        return Asked(**known, options=about["options"], of=of)

    def load_data(self, label: str | None = None) -> Data:
        """Loads the data of the run in its split, with its grey levels and all its labels, or those of another column."""
        about, asked = self.record["data"], self.asked()
        known = label in (None, asked.label)
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
                f"{self.path / RECORD} is damaged: it does not say which run it builds on"
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
        file = self.path / WEIGHTS
        try:
            return hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            raise RunError(
                f"{file} is not there: a run has its first weights after its first validation"
            ) from None

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
        spec = self.record["data"]["learned"].get("captions")
        if spec is None or self.recipe.reads != "captions":
            raise RunError(
                f"{self.path} reads no captions: train text-to-image, align-draw or caption-vae on images with captions"
            )
        return Vocabulary(spec)

    @property
    def longest(self) -> int | None:
        """The most tokens of a caption that the model reads; None for all."""
        found = [m.longest for m in self.model.modules() if isinstance(m, CaptionEncoder)]
        return next((longest for longest in found if longest is not None), None)

    def chooser(
        self, guidance: float | None = None, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Callable[[Distribution], Tensor]:
        """Says how images are drawn.

        Arguments:
            guidance: How far written codes are pushed towards the caption; by default 2 where the model can be guided.
            temperature: The spread of what is drawn; 1 is the model's own.
            top_k: How many of the likeliest codes are left in; 0 for all.
            top_p: The mass of the likeliest codes that are left in.

        Raises:
            RunError: If the model cannot be guided and should be.
            LatenteError: If a number makes no sense.
        """
        from ..evaluation import chooser, usual

        own = usual(self.model)
        if own == 1 and guidance not in (None, 1):
            raise RunError(
                f"guidance is {guidance:g}, and {self.path} knows no images without captions to be guided away from: it takes "
                "text-to-image with a --caption-dropout above 0"
            )
        return chooser(own if guidance is None else guidance, temperature, top_k, top_p)

    def generate(
        self,
        captions: str | Sequence[str],
        n: int = 1,
        *,
        seed: int = 0,
        guidance: float | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> Tensor:
        """Draws images of captions.

        Arguments:
            captions: A caption, or several; `{red,blue}` in one stands for both.
            n: The images of each caption. The same n noises serve every caption.
            seed: The seed of the noise.
            guidance: As for `chooser`, like what follows.
            temperature: The spread of what is drawn.
            top_k: How many of the likeliest codes are left in.
            top_p: The mass of the likeliest codes that are left in.

        Returns:
            Images in [0, 1], with shape (captions times n, C, H, W), those of a caption one after the other.

        Raises:
            RunError: If the run's model reads no captions.
            LatenteError: If there is no caption, or a number makes no sense.
        """
        from ..evaluation import alternatives, generated

        choose = self.chooser(guidance, temperature, top_k, top_p)
        given = [captions] if isinstance(captions, str) else captions
        texts = [text for caption in given for text in alternatives(caption)]
        y = torch.from_numpy(self.vocabulary.encode(texts)) if texts else torch.empty(0, 1)
        return generated(self.model, y, n, seed=seed, choose=choose).flatten(0, 1)

    @cached_property
    def abilities(self) -> Abilities:
        """What the run's model can do."""
        return Abilities.of_json(self.record["abilities"])

    @cached_property
    def settings(self) -> Settings:
        return settings(**self.record["settings"])

    @cached_property
    def objective(self) -> Objective:
        """What the model was trained by."""
        return recipes.remake(self.record).objective

    @property
    def title(self) -> str:
        """A name for figures: recipe and benchmark."""
        return f"{self.record['recipe']} on {self.data.benchmark}"

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of the log."""
        return read_metrics(self.path / METRICS)

    def beta(self) -> tuple[float, float]:
        """Returns the weight of the rate that was last in force, and the one it was to end with."""
        objective = self.objective.core
        if isinstance(objective, FitPrior):  # what trained the codes
            last, limit = self.record["of"]["beta"]
            return last, limit
        if not isinstance(objective, ELBO):
            return 1.0, 1.0
        betas = [line["beta"] for line in self.metrics() if line["split"] == "train"]
        if not isinstance(objective.beta, Schedule):
            return (betas[-1], betas[-1]) if betas else (1.0, 1.0)
        return (betas[-1] if betas else objective.beta(Clock(0, 1))), objective.beta.limit

    def floor(self) -> float:
        """Returns the nats of the whole rate that cost nothing in training."""
        core = self.objective.core
        free = core.divergence if isinstance(core, ELBO) else None
        return free.nats if isinstance(free, FreeBits) and not free.by_dimension else 0.0

    def evaluation(self) -> Evaluation | Classification | None:
        """Returns the stored evaluation, if `evaluate` was run since the weights were written."""
        return store.evaluation(self.path)

    def fidelity(
        self,
        *,
        n: int = 1000,
        candidates: int = 100,
        seed: int = 0,
        how: str = "",
        say: Callable[[str], object] = str,
        **drawn: Any,
    ) -> Fidelity:
        """Measures how generated images follow captions, and stores the figures in the run.

        Arguments:
            n: The images that are generated and read.
            candidates: The images among which each caption is to find its own.
            seed: The seed of all draws.
            how: In words, how latents are drawn.
            say: Is told when a reader has to be trained, which takes minutes.
            drawn: The same as arguments of `chooser`.
        """
        from ..evaluation import fidelity

        self.needs_examples()
        _ = self.vocabulary  # refuses a model that reads no captions
        choose = self.chooser(**drawn)
        found = fidelity(
            self.model, self.data, n=n, candidates=candidates, choose=choose, how=how, seed=seed, say=say
        )
        store.keep(self.path, store.FIDELITY, found)
        return found

    def quality(
        self,
        *,
        n: int | None = None,
        seed: int = 0,
        fid: bool = False,
        say: Callable[[str], object] = str,
    ) -> SampleQuality:
        """Measures how good the images of the model are, and stores the figures in the run.

        Arguments:
            n: The images of each set; 2,000 by default, or as many as the test split has.
            seed: The seed of all draws.
            fid: Whether FID and KID by Inception are computed too.
            say: Is told when a network has to be trained, which takes half a minute.

        Raises:
            LatenteError: If the data is not images, n is out of range, or what FID needs is missing.
        """
        from ..evaluation import sample_quality

        self.needs_examples()
        whole = self.whole_data()  # with all labels, so that runs compare
        found = sample_quality(self.model, whole, n, seed, fid=fid, say=say)
        store.keep(self.path, store.QUALITY, found)
        return found

    def stored_quality(self) -> SampleQuality | None:
        """Returns what `quality` stored, if that was since the weights were written."""
        return store.quality(self.path)

    def evaluate(
        self, *, k: int | None = None, examples: int | None = None, split: str = "test"
    ) -> Evaluation | Classification:
        """Measures the run's model on held-out data, judges it, and stores the figures in the run.

        Arguments:
            k: The draws of the importance-weighted bound; by default 1,000, and fewer where decoding is expensive.
            examples: The number of held-out examples; by default 1,000, and all for a classifier.
            split: "validation" or "test".
        """
        from ..evaluation import affordable, classify, evaluate

        self.needs_examples()
        if isinstance(self.model, GAN):
            raise RunError(
                f"{self.path} is a GAN, which draws examples and gives none a likelihood, so there is no bound to report: see "
                "latente sample, and latente fidelity for how far its samples are from data"
            )
        found: Evaluation | Classification
        how: Any = {"split": split, "seed": self.settings.seed}
        if isinstance(self.model, Classifier):
            found = classify(self.model, self.data, examples=examples, **how)
        else:
            if k is None:
                k = affordable(self.model, *self.data.test.fixed().batch(slice(0, 1)))
            how |= {"beta": self.beta(), "floor": self.floor()}
            found = evaluate(self.model, self.data, k=k, examples=examples or 1000, **how)
        store.keep(self.path, store.EVALUATION, found)
        return found
