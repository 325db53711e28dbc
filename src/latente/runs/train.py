"""Trains a recipe on data in a folder of its own, and resumes runs."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock, Timeout

from .. import __version__, data, recipes
from ..abilities import abilities_of, taken
from ..commands import command
from ..data import Data
from ..data.kind import check_values, kinds
from ..data.loading import inherited
from ..data.loading import options_of as options_of
from ..errors import DataError, RunError
from ..models import label_law
from ..recipes import Plan, Recipe
from ..settings import Settings, settings
from ..training import Trainer, machine, processes
from ..training.checkpoint import CHECKPOINTS, newest, write_whole
from ..trusted import line_of, signed
from .build import check_support, kind_of, plan_for, seed, try_on
from .labels import balanced_subset, hide_labels, restricted, with_known, with_known_labels
from .run import RECORD, SPLIT, Asked, Run

EVENTS, PRETRAINING, LOCK = "events.jsonl", "pretraining", ".lock"


def train(
    recipe: str,
    source: str | None,
    out: Path | str,
    *,
    of: Path | str | None = None,
    arguments: Mapping[str, Any] | None = None,
    label: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    split: Literal["random", "time"] = "random",
    options: Mapping[str, Any] | None = None,
    indices: Mapping[str, np.ndarray] | None = None,
    progress: bool = False,
    begun: Callable[[Run], object] | None = None,
    **given: Any,
) -> Run:
    """Trains a recipe on data, in a folder of its own.

    Arguments:
        recipe: The name of the recipe.
        source: The name of a data set, or a path; None for the data of the run that this one builds on, in the same split.
        out: The folder of the run; it must not hold a run yet.
        of: The folder of the run that this one builds on, for recipes that do.
        arguments: The recipe's options.
        label: The column of a table that holds the labels.
        validation: The share of rows for validation, where the source does not say.
        test: The share of rows for the test, where the source does not say.
        split: How rows are dealt out, where the source does not say: at random, or "time": in their order, the last to report.
        options: How the data is loaded, such as `side` and `grey` of images: see the `Options` of each kind.
        indices: The rows of each split, in place of one that the source fixes or that is dealt out.
        progress: Whether to show a progress bar.
        begun: Is called with the run once its folder is made, before the first step.
        given: Fields of :class:`~latente.settings.Settings`.

    Raises:
        LatenteError: Before anything is written, if an argument, a setting or the data is not right.
    """
    out = Path(out)
    if processes.is_first():
        check_free(out)
    entry = recipes.find(recipe)
    chosen = settings(**{**entry.settings, **given})
    picked = dict(arguments or {})
    recipes.check(recipe, picked)
    check_values(options or {}, kinds().values())
    base = opened_base(entry, of)
    asked = Asked(
        source or "", label, validation, test, split, options or {}, None if of is None else str(of)
    )
    asked, loaded = loaded_for(entry, base, asked, picked, indices)
    plan = plan_for(entry, loaded, picked, None if base is None else recipes.base_of(base.record), chosen)
    loaded = labelled_for(plan, loaded.kind.prepared(loaded, plan), chosen.seed, "labels" in picked)
    if base is None:
        check_support(plan, loaded, entry)
        try_on(plan, loaded.train, recipe)
    record = {
        **recorded(plan, base, asked, loaded),
        "settings": {**entry.settings, **given},
        "versions": {"latente": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    trainer = trainer_of(plan, out, chosen, progress)  # refuses a device before anything is written
    with alone_in(out):
        if processes.is_first():
            check_free(out)
            record = record_run(out, record, loaded)
        run = Run(out, record, loaded)
        if begun is not None and processes.is_first():
            begun(run)
        carry_out(run, plan, trainer)
    return run


def check_free(out: Path) -> None:
    """Refuses a folder that holds a run.

    Raises:
        RunError: If it does.
    """
    if (out / RECORD).exists():
        raise RunError(
            f"{out} holds a run already: choose another --out, or go on with: {command('resume', out)}"
        )


def loaded_for(
    recipe: Recipe[...],
    base: Run | None,
    asked: Asked,
    arguments: Mapping[str, Any],
    indices: Mapping[str, np.ndarray] | None = None,
) -> tuple[Asked, Data]:
    """Loads the data of a run to come, or takes that of the run that it builds on; returns what was asked for in full, too.

    Raises:
        RunError: If there is neither data nor such a run.
    """
    of_recipe = recipes.loading_of(recipe.name, arguments)
    if not asked.source and base is None:
        needed = "the folder of a run, of" if recipe.builds else "data: name a data set, a file or a folder"
        raise RunError(f"{recipe.name} needs {needed}")
    if not asked.source:
        assert base is not None
        kept = base.asked()
        asked = replace(kept, label=asked.label or kept.label, of=asked.of)
        loaded = base.load_data(asked.label)
    else:
        source = named_or_found(asked.source)
        own = {} if base is None else inherited(base.asked().options, source)
        asked = replace(asked, source=source, options={**own, **asked.options, **of_recipe})
        shares: dict[str, Any] = {
            "validation": asked.validation,
            "test": asked.test,
            "split": asked.split,
        }
        shares["indices"] = indices
        loaded = data.load(source, label=asked.label, reads=recipe.reads, **shares, **asked.options)
        loaded = loaded if base is None else same_data(loaded, base)
    wanted = kind_of(recipe)
    if base is not None and wanted is not None:
        loaded = wanted.taken(loaded, options_of(wanted, {**asked.options, **of_recipe}))
    return asked, loaded


def named_or_found(source: str) -> str:
    """Returns the name of a data set as it is, and where a file or folder is, wherever the run is opened from."""
    path = Path(os.path.expanduser(source))
    return str(path.resolve()) if source not in data.SOURCES and path.exists() else source


def labelled_for(plan: Plan, loaded: Data, seed: int, is_asked: bool = False) -> Data:
    """Leaves the labels in training that a plan may use, where not all.

    Arguments:
        plan: The plan.
        loaded: The data.
        seed: The seed of the choice.
        is_asked: Whether the number of labels was asked for; else fewer do where fewer are known.
    """
    if not plan.unlabelled and (taken(plan.model) == "labels" or label_law(plan.model) is not None):
        loaded = with_known_labels(loaded)
    if plan.unlabelled:
        loaded = with_known(loaded, "test")  # of which the error is reported
    if plan.labels is None:
        return loaded
    y = loaded.train.y
    known = 0 if y is None else int((y >= 0).sum())
    labels = plan.labels
    if known < min(labels, len(loaded.train)):  # all that are known, then
        labels = known
        if is_asked:
            warnings.warn(
                f"labels is {plan.labels}, and {known} training examples have one: all are used", stacklevel=3
            )
    choose = hide_labels if plan.unlabelled else restricted
    return choose(loaded, balanced_subset(loaded.train, labels, seed))


def recorded(plan: Plan, base: Run | None, asked: Asked, loaded: Data) -> dict[str, Any]:
    """Returns what a run records of its model, its base and its data."""
    assert plan.model.made_by is not None
    one = loaded.train.fixed().subset(1).batch(slice(None))
    about = {n: vars(asked)[n] for n in ("source", "label", "validation", "test", "split", "options")}
    return {
        **plan.model.made_by,
        "abilities": abilities_of(plan.model, *one).to_json(),
        **({} if base is None else {"of": base.named()}),
        "data": {**about, **loaded.describe(), "benchmark": loaded.benchmark},
    }


def opened_base(recipe: Recipe[...], of: Path | str | None) -> Run | None:
    """Opens the run to build on, where one is named.

    Raises:
        RunError: If the recipe builds on none, or the run cannot be opened.
    """
    if of is None:
        return None
    if not recipe.builds:
        raise RunError(f"recipe {recipe.name!r} has no argument 'of': it builds on no run, so leave it out")
    return Run.open(of)


def same_data(loaded: Data, base: Run) -> Data:
    """Holds data against that of the run to build on: the same data keeps its split, other data must be read as it was.

    Raises:
        DataError: If its columns are other ones, or are standardised otherwise.
    """
    about = base.record["data"]
    if loaded.fingerprint == about["fingerprint"]:
        return base.load_data()
    if not loaded.kind.is_read_alike(loaded, about):
        raise DataError(
            f"{loaded.source} is not the data of {base.path}, and each was standardised by its own means: leave --data out"
        )
    return loaded


def record_run(out: Path, record: Mapping[str, Any], loaded: Data) -> dict[str, Any]:
    """Writes what a run is made of, before its first step; returns it with the checksum of what is written once."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        split = io.BytesIO()
        np.savez_compressed(split, **loaded.indices)  # type: ignore[arg-type]
        write_whole(out / SPLIT, split.getvalue())
        whole = {**record, "files": {SPLIT: hashlib.sha256(split.getvalue()).hexdigest()}}
        write_whole(out / RECORD, signed(whole))
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another --out") from None
    return whole


def resume(
    path: Path | str,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    source: str | None = None,
    progress: bool = False,
) -> Run:
    """Resumes a run from its newest good checkpoint, to the same end as if it had never stopped.

    Arguments:
        path: The folder of the run.
        steps: A new number of steps, to go on beyond the planned end; schedules stretch to it.
        minutes: The minutes after which it stops, to be resumed again.
        source: Where the run's data is now, if it was moved; it is recorded.
        progress: Whether to show a progress bar.

    Raises:
        LatenteError: If there is no such run, its checkpoints are all damaged, or the number makes no sense.
    """
    run = Run.open(path).at(source)
    run.needs_examples()
    check_steps(run, steps)
    if steps is not None:
        kept = {name: value for name, value in run.record["settings"].items() if name != "epochs"}
        run = replace(run, record={**run.record, "settings": {**kept, "steps": steps}})
    seed(run.settings.seed)
    plan = recipes.remake(run.record)
    with alone_in(run.path):
        trainer = trainer_of(plan, run.path, replace(run.settings, minutes=minutes), progress)
        run.data  # noqa: B018  # only what is not refused is recorded
        if (steps is not None or source is not None) and processes.is_first():
            write_whole(run.path / RECORD, signed(run.record))
        carry_out(run, plan, trainer, resumed=True)
    return run


def check_steps(run: Run, steps: int | None) -> None:
    """Refuses a number of steps below the one that a run is at."""
    found = next(newest(run.path / CHECKPOINTS), None)
    if steps is not None and found is not None and steps < int(found.name):
        raise RunError(
            f"steps is {steps}, and {run.path} is at step {int(found.name)}: give more, or leave it out to go on as planned"
        )


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the lock of a run's folder while it is trained; one that a killed process held is free.

    Raises:
        RunError: If another process trains it.
    """
    if not processes.is_first():
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{folder} is being trained by another process: wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror}): choose another --out") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
        lock.release()


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
            with machine.threads(trainer.settings.threads):
                plan.pretrain(run.data.train, run.path / PRETRAINING, trainer.settings, shown)
    train = replace(run.data.train, augment=plan.augment)
    trainer.fit(train, run.data.validation, resume=resumed)
    log_event(run, "finished", step=trainer.step, seconds=round(time.monotonic() - started, 3))


def log_event(run: Run, event: str, **figures: float) -> None:
    if not processes.is_first():
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError), (run.path / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line_of({"event": event, "time": now, **figures}).decode())
