"""Gathers the content of a report, and writes the page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .. import __version__, doctor, recipes
from ..errors import LatenteError
from ..evaluation import (
    Evaluation,
    Figure,
    Finding,
    evaluation_of,
    stored_diagnosis,
    stored_evaluation,
    stored_samples,
)
from ..evaluation.measurement import measurements
from ..pictures import Case, Entry, Shown
from ..pictures.drawing.canvas import need
from ..pictures.versions import ordered
from ..runs.train import EVENTS
from ..training.checkpoint import WEIGHTS, write_whole
from ..training.logs import read_metrics
from .commands import command

if TYPE_CHECKING:
    from ..runs import Run

__all__ = ["write"]

NAME = "report.html"


def write(run: Run, path: Path | str | None = None) -> Path:
    """Writes the report of a run as one page, and returns where it is.

    Evaluates the run first, if that was not done since its weights were written. What the doctor found is part of it, if it was
    asked.

    Arguments:
        run: The run.
        path: The page; `report.html` in the run's folder by default.

    Raises:
        LatenteError: If the run has no weights yet, matplotlib is missing, or the page cannot be written.
    """
    need("matplotlib.figure")
    path = run.path / NAME if path is None else Path(path)
    evaluation, case = judged_case(run)
    content = render(run, evaluation, stored_diagnosis(run) or evaluation, case)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode("utf-8", "replace"))
    except OSError as error:
        raise LatenteError(f"{path} cannot be written ({error.strerror}): choose another --out") from None
    return path


def judged_case(run: Run) -> tuple[Evaluation, Case]:
    """Returns the evaluation of a run and what is shown of it; without its data, what was stored, and what needs no examples."""
    try:
        evaluation = evaluation_of(run)
        return evaluation, Case.of(run, evaluation)
    except LatenteError:
        stored = stored_evaluation(run)
        if stored is None:
            raise
        return stored, Case.without_examples(run, stored)


def render(run: Run, evaluation: Evaluation, judged: Evaluation, case: Case) -> str:
    loader = jinja2.PackageLoader("latente", "report")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    shown, omitted = drawn_sections(case)
    problems = [f for f in judged.findings if f.problem]
    return environment.get_template("page.html").render(
        recipe=run.record["recipe"],
        benchmark=run.record["data"]["benchmark"],
        version=__version__,
        grade=grade(problems),
        headline=headline(problems),
        problems=len(problems),
        verdict="" if problems else without_headline(judged.verdict),
        findings=[(f, try_next(run, f)) for f in judged.findings],
        evaluation=evaluation,
        figures=list(figures(judged, stored_samples(run))),
        sections=shown,
        omitted=omitted + [f"{name.replace('_', ' ')}: {why}" for name, why in judged.absent.items()],
        command=command(run),
        facts=list(facts(run)),
    )


# ----------------------------------------------------------------------------------------------------- verdict


def grade(problems: list[Finding]) -> str:
    if not problems:
        return "good"
    return "bad" if any(f.sure == "certain" for f in problems) else "doubtful"


def headline(problems: list[Finding]) -> str:
    """Words the headline of what was found."""
    if not problems:
        return "Nothing is wrong"
    if len(problems) > 1:
        return f"{len(problems)} problems, causes before symptoms"
    return problems[0].name[0].upper() + problems[0].name[1:]


def without_headline(verdict: str) -> str:
    """Leaves out the headline that a verdict starts with."""
    start, _, rest = verdict.partition(": ")
    return rest if start == headline([]) else verdict


def try_next(run: Run, finding: Finding) -> str:
    """Returns the command with a finding's change; nothing where the run has it, or its recipe does not take it."""
    recipe = run.record["recipe"]
    own, calls = recipes.parameters(recipe), run.recipe.calls
    change = {calls.get(n, n): value for n, value in finding.change.items()}
    is_own = change.keys() <= own.keys()
    if not change or change == {"recipe": recipe} or (is_own and not doctor.is_new(run, change)):
        return ""
    try:
        return command(run, change)
    except LatenteError:
        return ""


# ----------------------------------------------------------------------------------------------------- figures


def figures(*found: Evaluation | None) -> Iterator[Figure]:
    """Lists the figures of evaluations, each with what it means."""
    known = measurements()
    for e in filter(None, found):
        for name, value in e.items():
            yield from known[name].rows(value, e)


# ---------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Section:
    """Holds a picture of the page: the question it answers, how to read it, and what is shown."""

    question: str
    reading: str
    shown: Shown
    html: str


def wanted(case: Case) -> Iterator[tuple[Entry[...], Mapping[str, Any]]]:
    """Yields the pictures that are asked of a case, each with the report's options."""
    for picture in ordered(case.data):
        version = picture.version(case)
        options = None if version.report is None else version.report(case)
        if options is not None:
            seeded = {"seed": case.seed} if "seed" in version.options else {}
            yield version, seeded | dict(options)


def drawn_sections(case: Case) -> tuple[list[Section], list[str]]:
    """Draws the pictures that are asked of a case, and the reasons where there are none."""
    shown, omitted = [], []
    for i, (picture, options) in enumerate(wanted(case)):
        if not len(case.data.test) and case.data.source == "" and picture.of == "model" and picture.examples:
            omitted.append(
                f"{picture.question} The data is not at hand: latente report --data says where it is."
            )
            continue
        try:
            found = picture.draw(case, **options)
        except LatenteError as error:
            omitted.append(f"{picture.question} {str(error)[0].upper()}{str(error)[1:]}.")
            continue
        shown.append(Section(picture.question, picture.explained(case), found, found.html(f"p{i}-")))
    return shown, omitted


# --------------------------------------------------------------------------------------------------- reproduce


def facts(run: Run) -> Iterator[tuple[str, str]]:
    """Lists what is needed to reproduce a run and to check it."""
    data, versions = run.record["data"], run.record["versions"]
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "data", f"{data['source']}, SHA-256 {data['fingerprint']}"
    if "of" in run.record:
        yield "builds on", f"{run.record['of']['path']}, weights of SHA-256 {run.record['of']['weights']}"
    yield "split", ", ".join(f"{name} {size:,}" for name, size in data["sizes"].items())
    yield "seed", str(run.settings.seed)
    yield "parameters", f"{sum(p.numel() for p in run.model.parameters()):,}"
    yield "time of training", duration(seconds(run))
    yield "weights", f"SHA-256 {hashlib.sha256((run.path / WEIGHTS).read_bytes()).hexdigest()}"


def seconds(run: Run) -> float | None:
    """Adds up how long training took, over all times it was resumed."""
    found = [event["seconds"] for event in read_metrics(run.path / EVENTS) if "seconds" in event]
    return sum(found) if found else None


def duration(value: float | None) -> str:
    """Writes seconds.

    Example:
        >>> duration(3725.2), duration(12.34)
        ('1 h 2 min 5 s', '12.3 s')
    """
    if value is None:
        return "not finished"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h " if hours else "") + f"{minutes} min {rest} s"
