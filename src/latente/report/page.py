"""Gathers what a report says, and writes the page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .. import __version__, doctor, pictures, recipes
from ..errors import LatenteError
from ..evaluation import (
    Evaluation,
    Figure,
    Finding,
    evaluation_of,
    stored_diagnosis,
    stored_samples,
)
from ..evaluation.figures.bound import is_diffused
from ..evaluation.figures.codes import groups_of, has_points
from ..evaluation.measurement import measurements
from ..models import Draw
from ..models.boltzmann import RBM
from ..pictures.canvas import need
from ..training.checkpoint import WEIGHTS, write_whole
from .commands import command

if TYPE_CHECKING:
    from ..runs import Run

__all__ = ["write"]

NAME = "report.html"
BUDGET = 400_000  # numbers of one grid of images: the page stays under about 3 MB


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
    evaluation = evaluation_of(run)
    content = render(run, evaluation, stored_diagnosis(run) or evaluation)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode())
    except OSError as error:
        raise LatenteError(f"{path} cannot be written ({error.strerror}): choose another --out") from None
    return path


def render(run: Run, evaluation: Evaluation, judged: Evaluation) -> str:
    loader = jinja2.PackageLoader("latente", "report")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    shown, omitted = drawn(run, evaluation)
    problems = [f for f in judged.findings if f.problem]
    return environment.get_template("page.html").render(
        recipe=run.record["recipe"],
        benchmark=run.data.benchmark,
        version=__version__,
        grade=grade(problems),
        headline=headline(problems),
        problems=len(problems),
        verdict="" if problems else plain(judged.verdict),
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
    """Says in a few words what was found."""
    if not problems:
        return "Nothing is wrong"
    if len(problems) > 1:
        return f"{len(problems)} problems, causes before symptoms"
    return problems[0].name[0].upper() + problems[0].name[1:]


def plain(verdict: str) -> str:
    """Leaves out the headline that a verdict starts with."""
    start, _, rest = verdict.partition(": ")
    return rest if start == headline([]) else verdict


CALLED = {"free_nats": "kl_floor"}  # what a recipe without the first argument calls it


def try_next(run: Run, finding: Finding) -> str:
    """Returns the command with a finding's change; nothing where the run has it, or its recipe does not take it."""
    recipe = run.record["recipe"]
    own = recipes.parameters(recipe)
    change = {n if n in own else CALLED.get(n, n): value for n, value in finding.change.items()}
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
    """Holds a picture of the page: the question it answers, how to read it, its SVG and how it is laid out."""

    question: str
    reading: str
    title: str
    note: str
    svg: str
    layout: str


def drawn(run: Run, evaluation: Evaluation) -> tuple[list[Section], list[str]]:
    """Draws what the model has pictures of, and says why it has no others."""
    shown, omitted = [], []
    wanted = of_classifier(run) if "bound" not in evaluation else wishes(run, evaluation)
    for i, (question, reading, draw) in enumerate(wanted):
        try:
            picture = draw()
        except LatenteError as error:
            omitted.append(f"{question} {str(error)[0].upper()}{str(error)[1:]}.")
            continue
        if isinstance(picture, pictures.Lines):
            shown.append(Section(question, reading, picture.title, picture.note, picture.html(), "lines"))
            continue
        if isinstance(picture, pictures.Sheet):
            layout = "scroll" if picture.size[0] > 1.2 * picture.size[1] else "grid"
            shown.append(Section(question, reading, picture.title, picture.note, picture.svg(), layout))
            continue
        width, height = picture.figure.get_size_inches()
        of_images = bool({"images", "example"} & picture.values.keys())
        layout = "chart" if not of_images else "scroll" if width > 1.2 * height else "grid"
        shown.append(Section(question, reading, picture.title, picture.note, picture.svg(f"p{i}-"), layout))
    return shown, omitted


def of_classifier(run: Run) -> Iterator[tuple[str, str, Callable[[], pictures.Picture]]]:
    model, data, seed = run.model, run.data, run.settings.seed
    yield (
        "How did training go?",
        "If the cross-entropy of validation rises while that of training falls, it gets surer than it may be.",
        lambda: pictures.curves(run.metrics(), data.benchmark),
    )
    yield (
        "Where do the examples lie?",
        "Each dot is the code of a held-out example, from which its class is read: classes that lie apart are told apart.",
        lambda: pictures.scatter(model, data, seed=seed),
    )


def wishes(
    run: Run, evaluation: Evaluation
) -> Iterator[tuple[str, str, Callable[[], pictures.Picture | pictures.Lines | pictures.Sheet]]]:
    model, data, seed = run.model, run.data, run.settings.seed
    most = BUDGET
    for size in data.shape:
        most //= size
    of_images, of_rows = data.kind == "images", data.kind in ("table", "vectors")
    shows = {"text": pictures.texts, "drawings": pictures.sketches}.get(data.kind, pictures)
    across = min(8, max(3, int(most**0.5)))
    rows, side, few = min(6, max(2, most // 12)), min(20, max(4, int(most**0.5))), min(10, max(5, most // 4))
    points, boltzmann = has_points(evaluation), isinstance(model, RBM)
    yield (
        "How did training go?",
        "The contrast is no loss that falls: it says how much lower the model holds the data than its own dreams. The "
        "pseudo-likelihood judges the model."
        if boltzmann
        else "The rate is what codes cost, the distortion what they miss. If validation rises while training falls, it overfits."
        if "codes" in evaluation
        else "The distortion is what is lost in the last noise, the rate the price of taking the other away. There is no code."
        if is_diffused(evaluation)
        else "The distortion is −log p(x): there is no code. If validation rises while training falls, it overfits.",
        lambda: pictures.curves(run.metrics(), data.benchmark),
    )
    preview = pictures.preview_of(run.record["data"])
    if preview is not None:
        yield (
            "What does the model see?",
            "Files of the folder, and what they are made before the model sees them: what is cut off here cannot be learnt.",
            preview,
        )
    yield (
        "What does it generate?",
        "Each is drawn number by number, through the flow, or out of noise: there is no code that they could be decoded from."
        if "codes" not in evaluation and data.kind in ("images", "table", "vectors")
        else "Codes are drawn from the prior and decoded. If these are worse than the reconstructions below, the prior has holes."
        if not of_rows
        else "Codes are drawn from the prior, and rows from their likelihood: the orange should lie where the blue does.",
        lambda: shows.samples(model, data, n=across**2 if of_images else None, seed=seed),
    )
    if isinstance(model, Draw):
        held = data.captions and data.test.fixed().subset(1, seed).y
        caption = data.captions.decode(held)[0] if data.captions and held is not None else None
        yield (
            "How does it draw?",
            "The canvas after every step. Where there is a caption, the shades below tell which words each step heard.",
            lambda: pictures.canvases(model, data.captions, caption, n=3, seed=seed, note=data.benchmark),
        )
    if data.kind == "drawings":
        yield (
            "How does it go on?",
            "A held-out drawing, half of it, and several ends that the model draws for it.",
            lambda: pictures.completions(model, data, seed=seed),
        )
        yield (
            "What does temperature do?",
            "A cold model draws what is usual, with a calm hand; at τ = 1 it draws as it has learnt to.",
            lambda: pictures.temperatures(model, data, seed=seed),
        )
    if "codes" not in evaluation:
        return
    yield (
        "What does it give back?",
        "Held-out examples through the code and back: what is lost between the first two rows is what the code does not hold."
        if not of_rows
        else "Held-out rows through the code and back: what the code holds lies on the line.",
        lambda: shows.reconstructions(model, data, n=few, seed=seed),
    )
    corrupt = pictures.corruption(run.objective)
    if of_images and corrupt is not None:
        yield (
            "What does it make of noise?",
            "Held-out examples are corrupted as in training. The model has never seen them clean.",
            lambda: pictures.denoised(model, data, corrupt, n=few, seed=seed),
        )
    if of_images and boltzmann:
        yield (
            "Where do its chains go?",
            "If chains from data and from noise look alike in the end, they mix. If not, there are walls between its modes.",
            lambda: pictures.chains(model, data, n=rows, seed=seed),
        )
    yield (
        "What lies between two examples?",
        "The way from one code to another: each step should look like data, not like two examples laid over each other.",
        lambda: shows.interpolations(model, data, rows=rows, seed=seed),
    )
    yield (
        "What does each dimension hold?",
        "One latent dimension moves, the others stay. A row in which nothing changes is a dimension that is not used there.",
        lambda: pictures.traversals(model, data, rows=rows, seed=seed),
    )
    yield (
        "What does the prior look like from end to end?",
        "A grid through the prior in which each cell has the same mass: neighbours should differ little.",
        lambda: pictures.manifold(model, data, n=side, seed=seed),
    )
    yield (
        "Where do the examples lie?",
        "Each dot is the code of a held-out example. The model has not seen the labels unless it is conditional.",
        lambda: pictures.scatter(model, data, seed=seed),
    )
    yield (
        "Which dimensions are used?",
        "Each dot says how much a dimension of the code varies from example to example."
        if not any(g.kl for g in groups_of(evaluation).values())
        else "Each bar is a dimension's share of the rate. Dimensions that the bound has no use for are switched off.",
        lambda: pictures.kl_bars(evaluation),
    )
    if len(groups_of(evaluation)) > 1:
        yield (
            "Which groups speak?",
            "Each bar is one latent group, in the order in which they are drawn: those near 0 are not used.",
            lambda: pictures.group_bars(evaluation),
        )
        yield (
            "What does each group decide?",
            "Ever more groups are drawn anew, the last ones first: what is left of the example is what the first groups say.",
            lambda: pictures.levels(model, data, n=few, seed=seed),
        )
    if of_images and (points or boltzmann):
        yield (
            "What do its units look for?",
            "Each image is one unit's weights. Strokes and parts are features of the data; grain is what it has not learnt.",
            lambda: pictures.filters(model, data, n=min(48, most), seed=seed),
        )
    if points or boltzmann:
        yield (
            "How many units does an example wake?",
            "A sparse code has few active units for each example, and no unit that is never active.",
            lambda: pictures.activations(model, data, seed=seed),
        )
        yield (
            "Which directions does the code follow?",
            "A contractive code answers to a few directions, those in which the data varies, and resists all the others.",
            lambda: pictures.spectrum(model, data, seed=seed),
        )


# --------------------------------------------------------------------------------------------------- reproduce


def facts(run: Run) -> Iterator[tuple[str, str]]:
    """Lists what is needed to make a run again, and to know that it is the same."""
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
    file = run.path / "events.jsonl"
    events: list[dict[str, Any]] = (
        [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    )
    found = [event["seconds"] for event in events if "seconds" in event]
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
