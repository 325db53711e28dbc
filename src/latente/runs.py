"""Runs: a recipe's name, its JSON arguments and tensors, in a folder.

======================  ================================================================================
`run.json`              the recipe and its arguments, where the data came from, the run it builds on, the settings, the versions
`split.npz`             the rows that training, validation and test took, made once, and those of them whose labels count
`metrics.jsonl`         the figures of training and validation
`checkpoints/`          the last two states that a run can go on from
`model.safetensors`     the best weights so far, with recipe and arguments in their header
`data.npz`              images and captions that were given in memory
`pretraining/`          the layers of a model that is trained layer by layer first
`events.jsonl`          when the run was started, resumed and finished, and how long it took
======================  ================================================================================

A run may build on another one: it then takes what it needs from that run's weights when it starts, and has all it needs in its
own folder from the first checkpoint on.

A model is rebuilt by calling its recipe again: nothing is unpickled, imported by a name found in a file, or evaluated. Before any
memory is taken for weights, the names and shapes in the file are held against those that the recipe would make.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import io
import json
import platform
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.distributions import Distribution

from . import __version__, data, recipes
from .data.examples import Data, Examples
from .data.vocabulary import Vocabulary
from .divergences import FreeBits
from .errors import DataError, RunError
from .models import GAN, Classifier
from .nn import CaptionEncoder
from .objectives import ELBO, FitPrior, Objective
from .recipes import Plan
from .schedules import Clock, Schedule
from .settings import Settings, settings
from .trace import Model
from .training import Trainer, machine, processes
from .training.checkpoint import newest, read_tensors, write_whole
from .training.trainer import CHECKPOINTS, WEIGHTS, place, save_weights

if TYPE_CHECKING:
    from .evaluation import Classification, Evaluation, Fidelity, SampleQuality

__all__ = ["Run", "fit", "load", "resume", "save", "train"]

RECORD, SPLIT, EVENTS = "run.json", "split.npz", "events.jsonl"
EVALUATION, FIDELITY, QUALITY = "evaluation.json", "fidelity.json", "quality.json"
PRETRAINING, DATA = "pretraining", "data.npz"
RECIPE_OF = {"text": "text-vae", "drawings": "sketch-rnn"}  # by kinds of data that no other recipe reads
DATA_OF = {
    "text": "ptb, or a text file with a sentence a line",
    "drawings": "kanji, or a folder of SVG files, an .ndjson of Quick, Draw!, or an .npz of strokes",
    "captions": "captions-mnist, or a folder of images with captions.csv",
}
FITTED = ("side", "grey")  # how the images of a folder are made alike
LABELLED = "labelled"  # rows of the training examples, in split.npz: the others are left out
TOLD = "told"  # rows of them, too: the others stay without their labels


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
            for key in ("recipe", "arguments", "data", "settings"):
                record[key]
        except FileNotFoundError:
            raise RunError(
                f"{path} is not a run: it has no {RECORD}; name the folder that --out named"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file} is damaged ({error}): the run cannot be opened") from None
        return Run(Path(path), record)

    @cached_property
    def data(self) -> Data:
        """The data of the run, split as it was when the run started; without examples where its weights were imported."""
        about = self.record["data"]
        if about["source"] is None:
            none = Examples(torch.empty(0, *about["shape"]))
            scale = torch.tensor(about["scale"], dtype=torch.float64)
            return Data(
                about["benchmark"],
                "",
                none,
                none,
                none,
                about["kind"],
                (),
                (),
                torch.zeros_like(scale),
                scale,
                "",
                {},
            )
        found = self.load_data().binarised(self.record["data"]["binarise"])
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

    def load_data(self, label: str | None = None) -> Data:
        """Loads the data of the run in its split, with its grey levels and all its labels, or those of another column."""
        about = self.record["data"]
        known = label in (None, about["label"])
        found = data.load(
            about["source"],
            label=about["label"] if known else label,
            indices=self.split(),
            fingerprint=about["fingerprint"] if known else None,
            vocabulary=about.get("captions"),
            **{name: about[name] for name in FITTED if about.get(name)},
            **loading(self.record["recipe"], self.record["arguments"]),
        )
        if recipes.reads(self.record["recipe"]) == "captions":
            spec = about.get("captions")
            found = found.captioned(None if spec is None else Vocabulary(spec))
        return found.abridged(len(about["words"]) - 1, about["shape"][0]) if found.kind == "text" else found

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
        spec = self.record["data"].get("captions")
        if spec is None or recipes.reads(self.record["recipe"]) != "captions":
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
        from .evaluation import chooser, usual

        own = usual(self.model)
        if own == 1 and guidance not in (None, 1):
            raise RunError(
                f"guidance is {guidance:g}, and {self.path} knows no images without captions to be guided away from: it takes "
                "text-to-image with a --silence above 0"
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
        from .evaluation import alternatives, generated

        choose = self.chooser(guidance, temperature, top_k, top_p)
        given = [captions] if isinstance(captions, str) else captions
        texts = [text for caption in given for text in alternatives(caption)]
        y = torch.from_numpy(self.vocabulary.encode(texts)) if texts else torch.empty(0, 1)
        return generated(self.model, y, n, seed=seed, choose=choose).flatten(0, 1)

    @cached_property
    def settings(self) -> Settings:
        return settings(**self.record["settings"])

    @cached_property
    def objective(self) -> Objective:
        """What the model was trained by."""
        return recipes.make(self.record["recipe"], **self.record["arguments"]).objective

    @property
    def title(self) -> str:
        """A name for figures: recipe and benchmark."""
        return f"{self.record['recipe']} on {self.data.benchmark}"

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of the log."""
        file = self.path / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

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
        from .evaluation import Classification, Evaluation

        file = self.path / EVALUATION
        weights = self.path / WEIGHTS
        if not file.exists() or not weights.exists() or file.stat().st_mtime < weights.stat().st_mtime:
            return None
        content = json.loads(file.read_bytes())
        kind = Classification if "cross_entropy" in content else Evaluation
        return kind.of_json(content)

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
        from .evaluation import fidelity

        self.needs_examples()
        _ = self.vocabulary  # refuses a model that reads no captions
        choose = self.chooser(**drawn)
        found = fidelity(
            self.model, self.data, n=n, candidates=candidates, choose=choose, how=how, seed=seed, say=say
        )
        write_whole(self.path / FIDELITY, json.dumps(found.to_json(), indent=1).encode())
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
        from .evaluation import sample_quality

        self.needs_examples()
        whole = self.load_data().binarised(
            self.record["data"]["binarise"]
        )  # with all labels, so that runs compare
        found = sample_quality(self.model, whole, n, seed, fid=fid, say=say)
        write_whole(self.path / QUALITY, json.dumps(found.to_json(), indent=1).encode())
        return found

    def stored_quality(self) -> SampleQuality | None:
        """Returns what `quality` stored, if that was since the weights were written."""
        from .evaluation import SampleQuality

        file, weights = self.path / QUALITY, self.path / WEIGHTS
        if not file.exists() or not weights.exists() or file.stat().st_mtime < weights.stat().st_mtime:
            return None
        return SampleQuality.of_json(json.loads(file.read_bytes()))

    def evaluate(
        self, *, k: int | None = None, examples: int | None = None, split: str = "test"
    ) -> Evaluation | Classification:
        """Measures the run's model on held-out data, judges it, and stores the figures in the run.

        Arguments:
            k: The draws of the importance-weighted bound; by default 1,000, and fewer where decoding is expensive.
            examples: The number of held-out examples; by default 1,000, and all for a classifier.
            split: "validation" or "test".
        """
        from .evaluation import affordable, classify, evaluate

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
        write_whole(self.path / EVALUATION, json.dumps(found.to_json(), indent=1).encode())
        return found


def train(
    recipe: str,
    source: str | None,
    out: Path | str,
    *,
    arguments: Mapping[str, Any] | None = None,
    label: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    side: int | None = None,
    grey: bool = False,
    progress: bool = False,
    begun: Callable[[Run], object] | None = None,
    **given: Any,
) -> Run:
    """Trains a recipe on data, in a folder of its own.

    Arguments:
        recipe: The name of the recipe.
        source: The name of a data set, or a path; None for the data of the run that this one builds on, in the same split.
        out: The folder of the run; it must not hold a run yet.
        arguments: The recipe's arguments, without those that the data answers; the run that it builds on, `of`, is named by
            its folder.
        label: The column of a table that holds the labels.
        validation: The share of rows for validation, where the source does not say.
        test: The share of rows for the test, where the source does not say.
        side: The side of the square that the images of a folder are cropped and shrunk or enlarged to.
        grey: Whether the images of a folder are made grey.
        progress: Whether to show a progress bar.
        begun: Is called with the run once its folder is made, before the first step.
        given: Fields of :class:`~latente.settings.Settings`.

    Raises:
        LatenteError: Before anything is written, if an argument, a setting or the data is not right.
    """
    out = Path(out)
    if processes.is_first() and (out / RECORD).exists():
        raise RunError(
            f"{out} holds a run already: choose another --out, or go on with: latente resume {out}"
        )
    own = recipes.find(recipe).settings
    chosen = settings(**{**own, **given})
    asked = dict(arguments or {})
    base = Run.open(asked["of"]) if "of" in asked and "of" in recipes.parameters(recipe) else None
    if base is not None:
        asked["of"] = {name: base.record[name] for name in ("recipe", "arguments")}
    if source is None:
        if base is None:
            of = "of" in recipes.parameters(recipe)
            needed = "the folder of a run, of" if of else "data: name a data set, a file or a folder"
            raise RunError(f"{recipe} needs {needed}")
        kept = base.record["data"]
        source, validation, test = kept["source"], kept["validation"], kept["test"]
        label = label or kept["label"]
        side, grey = kept.get("side"), kept.get("grey", False)
        loaded = base.load_data(label)
    else:
        path = Path(source).expanduser()
        if source not in data.SOURCES and path.exists():
            source = str(path.resolve())
        how = {"side": side, "grey": grey} | loading(recipe, asked)
        loaded = data.load(source, label=label, validation=validation, test=test, seed=chosen.seed, **how)
        if base is not None:
            loaded = like(loaded, base)
    if recipes.reads(recipe) == "captions" and loaded.kind == "images":
        loaded = captioned(loaded, asked)
    if loaded.train.binarise == "static" and "binarise" in recipes.parameters(recipe):
        asked.setdefault("binarise", "static")  # as it comes
    plan = plan_for(recipe, loaded, asked, chosen)
    loaded = loaded.binarised(plan.binarise)
    if plan.sentences is not None:
        loaded = loaded.abridged(*plan.sentences)
    if plan.labels is not None:
        choose = half_told if plan.unlabelled else restricted
        loaded = choose(loaded, few(loaded.train, plan.labels, chosen.seed))
    if base is None:
        try_on(plan, loaded.train, recipe)
    assert plan.model.made_by is not None
    record = {
        **plan.model.made_by,
        **({} if base is None else {"of": base.named()}),
        "data": {
            "source": source,
            "label": label,
            "validation": validation,
            "test": test,
            **({} if side is None else {"side": side}),
            **({"grey": True} if grey else {}),
            **loaded.describe(),
            "benchmark": loaded.benchmark,
        },
        "settings": {**own, **given},
        "versions": {"latente": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    trainer = trainer_of(plan, out, chosen, progress)  # refuses a device before anything is written
    if processes.is_first():
        record_run(out, record, loaded)
    run = Run(out, record)
    run.__dict__["data"] = loaded
    if begun is not None and processes.is_first():
        begun(run)
    carry_out(run, plan, trainer)
    return run


def fit(
    images: np.ndarray | Tensor,
    captions: Sequence[str] | Sequence[Sequence[str]],
    out: Path | str,
    *,
    recipe: str = "text-to-image",
    progress: bool = False,
    **given: Any,
) -> Run:
    """Trains a model of captioned images in memory. They are kept in the run, so that it can be opened like any other.

    Arguments:
        images: Images as bytes, or numbers in [0, 1], with shape (N, H, W), (N, C, H, W) or (N, H, W, C).
        captions: A caption for each, or as many for each as for any other.
        out: The folder of the run; it must not hold a run yet.
        recipe: `text-to-image`, `align-draw` or `caption-vae`.
        progress: Whether to show a progress bar.
        given: Arguments of the recipe, and fields of :class:`~latente.settings.Settings`.

    Raises:
        LatenteError: If an argument, a setting or the data is not right.

    Example:
        >>> import tempfile
        >>> images = np.zeros((40, 8, 8), np.uint8)
        >>> images[20:] = 255
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = fit(images, ["black"] * 20 + ["white"] * 20, f"{folder}/run", recipe="caption-vae",
        ...               hidden=[4], caption_features=4, steps=5, threads=1)
        ...     run.generate("white", n=3).shape
        torch.Size([3, 1, 8, 8])
    """
    out = Path(out)
    for name in (RECORD, DATA):
        if (out / name).exists():
            what = "a run" if name == RECORD else name
            raise RunError(f"{out} holds {what} already: choose another folder")
    if recipes.reads(recipe) != "captions" or "of" in recipes.parameters(recipe):
        raise RunError(f"recipe {recipe!r} reads no captions: use text-to-image, align-draw or caption-vae")
    own = {n: v for n, v in given.items() if n in recipes.parameters(recipe)}
    how = {n: v for n, v in given.items() if n not in own}
    recipes.check(recipe, {"shape": [1, 1, 1], "vocabulary": 2, **own})
    settings(**how)
    try:
        x = images.detach().cpu().float().numpy() if isinstance(images, Tensor) else np.asarray(images)
    except ValueError:
        raise DataError("images are of several sizes: give arrays of one shape") from None
    file = io.BytesIO()
    np.savez_compressed(file, images=as_images(x), captions=as_captions(captions, len(x)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / DATA, file.getvalue())
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another folder") from None
    try:
        return train(recipe, str(out / DATA), out, arguments=own, progress=progress, **how)
    finally:
        if not (out / RECORD).exists():  # refused before it began, so that nothing needs the data
            (out / DATA).unlink(missing_ok=True)


def as_images(x: np.ndarray) -> np.ndarray:
    """Refuses what are no images."""
    if data.from_arrays(x, name="images").kind != "images":
        raise DataError(f"images have the shape {x.shape}: give (N, H, W), (N, C, H, W) or (N, H, W, C)")
    return x


def as_captions(captions: Any, n: int) -> np.ndarray:
    """Returns captions as an array of texts, (N) or (N, K)."""
    if isinstance(captions, str) or len(captions) != n:
        found = "one text" if isinstance(captions, str) else f"{len(captions)} captions"
        raise DataError(f"there are {n} images and {found}: give each image its own")
    try:
        written = np.array(captions)
    except ValueError:  # lists of several lengths
        written = np.empty(0, object)
    if written.dtype.kind != "U":
        raise DataError(
            "captions are not texts, or not as many for each image: give one each, or the same number"
        )
    if (np.char.str_len(np.char.strip(written)) == 0).any():
        raise DataError("a caption is empty: write it, or leave its image out")
    return written


def captioned(found: Data, arguments: Mapping[str, Any]) -> Data:
    """Takes the names of classes for captions, where there are no others, numbered as the encoder of captions reads them.

    Raises:
        RunError: If they are numbered otherwise already.
    """
    if arguments.get("caption_encoder") != "minilm":
        return found.captioned()
    told = found.captioned(Vocabulary.minilm())
    if told.captions != Vocabulary.minilm():
        raise RunError(
            f"caption_encoder is 'minilm', which reads wordpieces of its own, and the captions of {found.name} are numbered "
            "otherwise by the run that this one builds on: choose another caption_encoder, or build on a run of minilm"
        )
    return told


def loading(recipe: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those arguments of a recipe, checked, by which its drawings or captions are loaded; nothing for other recipes.

    MiniLM reads its own wordpieces, whatever `tokens` says.
    """
    known = recipes.parameters(recipe).keys()
    if "of" in known and isinstance(of := arguments.get("of"), dict):
        return loading(of["recipe"], of["arguments"])
    names = next((names for names in recipes.OF_LOADING if names <= known), set())
    if not names:
        return {}
    stands_for = {"vocabulary": 2} if "vocabulary" in known else {}
    checked = recipes.check(recipe, {"shape": [1, 3], **stands_for, **arguments})
    found = {name: checked[name] for name in names}
    return {**found, "tokens": "minilm"} if checked.get("caption_encoder") == "minilm" else found


def like(loaded: Data, base: Run) -> Data:
    """Holds data against that of the run to build on: the same data keeps its split, other data must be read as it was.

    Raises:
        DataError: If its columns are other ones, or are standardised otherwise.
    """
    about = base.record["data"]
    if loaded.fingerprint == about["fingerprint"]:
        return base.load_data()
    if loaded.location is not None or about["location"] is not None:
        raise DataError(
            f"{loaded.source} is not the data of {base.path}, and each was standardised by its own means: leave --data out"
        )
    return loaded


def few(train: Examples, labels: int, seed: int) -> np.ndarray:
    """Chooses rows at random, as many of each class as can be; fewer labels are among more of the same seed.

    Raises:
        DataError: If there are not so many, or none.
    """
    if train.y is None or labels > len(train):
        raise DataError(
            f"labels is {labels}, and {0 if train.y is None else len(train)} training examples have one: choose fewer"
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
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


def half_told(found: Data, told: np.ndarray) -> Data:
    """Leaves all rows in training, and takes away the labels of those that do not count: they become -1."""
    y = found.train.y
    assert y is not None
    known = torch.full_like(y, -1)
    known[torch.from_numpy(told)] = y[torch.from_numpy(told)]
    return replace(found, train=replace(found.train, y=known), indices={**found.indices, TOLD: told})


def record_run(out: Path, record: Mapping[str, Any], loaded: Data) -> None:
    """Writes what a run is made of, before its first step."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / SPLIT).open("wb") as file:
            np.savez_compressed(file, **loaded.indices)  # type: ignore[arg-type]
        write_whole(out / RECORD, json.dumps(record, indent=1).encode())
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another --out") from None


def resume(path: Path | str, *, steps: int | None = None, progress: bool = False) -> Run:
    """Goes on with a run from its newest good checkpoint, to the same end as if it had never stopped.

    Arguments:
        path: The folder of the run.
        steps: A new number of steps, to go on beyond the planned end; schedules stretch to it.
        progress: Whether to show a progress bar.

    Raises:
        RunError: If there is no such run, or its checkpoints are all damaged.
    """
    run = Run.open(path)
    run.needs_examples()
    if steps is not None:
        kept = {name: value for name, value in run.record["settings"].items() if name != "epochs"}
        run = replace(run, record={**run.record, "settings": {**kept, "steps": steps}})
        if processes.is_first():
            write_whole(run.path / RECORD, json.dumps(run.record, indent=1).encode())
    seed(run.settings.seed)
    plan = recipes.make(run.record["recipe"], **run.record["arguments"])
    carry_out(run, plan, trainer_of(plan, run.path, run.settings, progress), resumed=True)
    return run


def trainer_of(plan: Plan, out: Path, chosen: Settings, progress: bool) -> Trainer:
    return Trainer(plan.model, plan.objective, out=out, progress=progress, **vars(chosen))


def carry_out(run: Run, plan: Plan, trainer: Trainer, resumed: bool = False) -> None:
    started = time.monotonic()
    log_event(run, "resumed" if resumed else "started")
    if not any(newest(run.path / CHECKPOINTS)):
        if plan.adopt is not None:
            plan.adopt(run.base().model)
        if plan.pretrain is not None:
            shown = trainer.progress.wanted
            with trainer.threads():
                plan.pretrain(run.data.train, run.path / PRETRAINING, trainer.settings, shown)
    train = replace(run.data.train, augment=plan.augment)
    trainer.fit(train, run.data.validation, resume=resumed)
    log_event(run, "finished", step=trainer.step, seconds=round(time.monotonic() - started, 3))


def log_event(run: Run, event: str, **figures: float) -> None:
    if not processes.is_first():
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with (run.path / EVENTS).open("a") as file:
        file.write(json.dumps({"event": event, "time": now, **figures}) + "\n")


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number % 2**32)


def plan_for(recipe: str, loaded: Data, arguments: dict[str, Any], chosen: Settings) -> Plan:
    """Makes a recipe for a data set: its shape, and the number of its classes and words where the recipe takes them."""
    known = recipes.parameters(recipe)
    reads = recipes.reads(recipe)
    wanted = "images" if reads == "captions" else reads
    if wanted != (loaded.kind if reads == "captions" or loaded.kind in RECIPE_OF else ""):
        hint = (
            f"use {RECIPE_OF[loaded.kind]}" if loaded.kind in RECIPE_OF else f"give --data {DATA_OF[reads]}"
        )
        raise RunError(f"recipe {recipe!r} cannot learn from {loaded.name}, which is {loaded.kind}: {hint}")
    answers = {
        "shape": list(loaded.shape),
        "classes": len(loaded.classes),
        "vocabulary": max(1, len(loaded.words) - 1) if loaded.captions is None else len(loaded.captions),
    }
    y = loaded.train.y
    if y is not None and y.dim() > 1:
        answers["caption_length"] = y.shape[-1]
    arguments = {n: value for n, value in answers.items() if n in known} | arguments
    recipes.check(recipe, arguments)
    check_size(recipe, arguments, chosen)
    seed(chosen.seed)
    return recipes.make(recipe, **arguments)


def check_size(recipe: str, arguments: Mapping[str, Any], chosen: Settings) -> None:
    """Refuses a model that this machine has no memory for, before any is taken.

    Raises:
        RunError: If its weights, and where it is trained on the CPU its gradients and the moments of the optimiser, take more
            than is free.
    """
    with torch.device("meta"):
        parameters = list(recipes.make(recipe, **arguments).model.parameters())
    weights, moved = (sum(p.numel() for p in parameters if p.requires_grad >= only) for only in (False, True))
    moments = int(bool(chosen.momentum)) if chosen.optimizer == "sgd" else 2
    here = machine.device(chosen.device).type == "cpu"
    free, needed = machine.free_memory(), 4 * (weights + moved * (1 + moments) * here)
    if free is not None and needed > free:
        smaller = (
            "fewer --words"
            if "vocabulary" in arguments
            else "smaller images, --network conv where the recipe has it,"
        )
        raise RunError(
            f"{recipe} would have {weights:,} weights for examples of shape {tuple(arguments['shape'])}, which take "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: use {smaller} or a smaller --hidden"
        )


def try_on(plan: Plan, examples: Examples, recipe: str) -> None:
    """Takes two examples through a copy of the model and its objective, so that parts that do not go together are refused.

    Raises:
        RunError: If the objective cannot be computed for this model.
    """
    model, objective = copy.deepcopy((plan.model, plan.objective))
    with torch.random.fork_rng(devices=[]):
        try:
            objective.terms(model.eval(), *examples.batch(slice(0, 2)), Clock(0, 1))
        except (ValueError, NotImplementedError) as error:
            raise RunError(f"{recipe} cannot be trained as asked: {error}") from None


def save(model: Model, path: Path | str) -> None:
    """Writes a model's weights as safetensors, with the recipe that made it in the header.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> save(recipes.make("vae", shape=(4,), latent=2).model, f"{folder.name}/model.safetensors")
        >>> load(f"{folder.name}/model.safetensors").made_by["arguments"]["latent"]
        2
    """
    save_weights(Path(path), model.state_dict(), model.made_by)


def load(path: Path | str, into: Model | None = None) -> Model:
    """Loads a model from a run's folder or a weights file, in evaluation mode.

    Arguments:
        path: The folder of a run, or a `.safetensors` file that `save` wrote.
        into: A model of your own to put the weights into; without it the recipe in the file makes the model.

    Raises:
        RunError: If the file is missing, damaged, without a recipe, or does not fit the model. Nothing in it is
            executed, and its tensors are read only after their names and shapes were found right.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    made_by, shapes = header(file)
    if into is None:
        if "recipe" not in made_by:
            raise RunError(
                f"{file} does not say which recipe made it: give the model, load(path, into=model)"
            )
        name, arguments = made_by["recipe"], made_by.get("arguments")
        if not isinstance(arguments, dict):
            raise RunError(
                f"{file} is damaged: the arguments of its recipe are {arguments!r}; use another file"
            )
        try:
            with torch.device("meta"):
                bare = recipes.make(name, **arguments).model
        except RunError as error:
            raise RunError(f"{file} cannot be rebuilt: {error}") from None
        compare(file, shapes, bare)
        into = recipes.make(name, **arguments).model
    else:
        compare(file, shapes, into)
    place(into.state_dict(), read_tensors(file)[0])
    return into.eval()


def header(file: Path) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Reads what made the tensors of a file, and their shapes, without reading the tensors."""
    if not file.exists():
        raise RunError(f"{file} is not there: a run has its first weights after its first validation")
    try:
        with safe_open(file, "pt") as opened:
            made_by = json.loads((opened.metadata() or {})["latente"])
            if not isinstance(made_by, dict):
                raise ValueError("its header is no JSON object")
            return made_by, {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError, RecursionError) as error:
        raise RunError(
            f"{file} is damaged or was not written by latente ({error}): use another file"
        ) from None


def compare(file: Path, shapes: Mapping[str, list[int]], model: Model) -> None:
    expected = {name: list(t.shape) for name, t in model.state_dict().items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            raise RunError(
                f"{file} does not fit its model: {name} has the shape {shapes.get(name, 'none')} in the file and "
                f"{expected.get(name, 'none')} in the model"
            )
