"""Judges runs from the command line: evaluation, diagnosis, comparison, fidelity and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from ..errors import RunError
from .app import out
from .captions import drawn_how
from .options import Guidance, LatentTemperature, RunPath, Seed, TopK, TopP
from .tables import needs

if TYPE_CHECKING:
    from ..doctor import Row
    from ..evaluation import Classification, Evaluation, SampleQuality
    from ..evaluation.diagnosis import Diagnosis
    from ..runs import Run


def evaluate(
    run: RunPath,
    k: Annotated[
        int | None,
        typer.Option(
            min=1, help="draws an example of the importance-weighted bound; 1000, or fewer for slow decoders"
        ),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=2, help="held-out examples; 1000, or all for a classifier")
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="which split is held out")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measures a model on held-out data and says what it learned, what is wrong and what to try."""
    from ..runs import Run

    opened = Run.open(run)
    found = opened.evaluate(k=k, examples=examples, split=split)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        show_evaluation(opened, found)


def show_evaluation(run: Run, found: Evaluation | Classification | Diagnosis) -> None:
    from ..evaluation.diagnosis import Diagnosis
    from ..report import figures, try_next

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for figure in figures(found):
        table.add_row(figure.name, figure.value)
    for name, why in found.absent.items():
        table.add_row(name.replace("_", " "), f"none: {why}")
    of = found.evaluation if isinstance(found, Diagnosis) else found
    out.print(f"{run.title}, {of.examples} {of.split} examples")
    out.print(table)
    out.print(f"\n{found.verdict}", markup=False)
    for finding in found.findings:
        out.print(f"\n{finding.name} ({finding.sure}): {finding.evidence} {finding.advice}", markup=False)
        if command := try_next(run, finding):
            out.print(f"  {command}", markup=False)


def diagnose(
    run: RunPath,
    examples: Annotated[int, typer.Option(min=10, help="held-out examples whose posterior is refined")] = 200,
    try_them: Annotated[
        bool, typer.Option("--try", help="Train the run anew for a while, with the few best remedies.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="steps of each remedy that is tried")] = 1500,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Says why a code is as it is, how sure that is, and what to try; --try tries it."""
    from .. import doctor
    from ..runs import Run

    opened = Run.open(run)
    found = doctor.diagnose(opened, examples=examples)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        show_evaluation(opened, found)
    if try_them:
        folder = doctor.remedies_folder(opened)
        out.print(f"\nremedies, {steps} steps each, in {folder}:")
        changes = doctor.remedies(opened, found)
        show_rows(list(doctor.try_remedies(opened, changes, steps=steps, progress=True, out=folder)))


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="folders of runs")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Lays the figures of runs side by side; what was not evaluated yet is."""
    from dataclasses import asdict

    from .. import doctor
    from ..runs import Run

    rows = doctor.compare([Run.open(path) for path in runs])
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show_rows(rows)


def show_rows(rows: list[Row]) -> None:
    def text(value: float | None, digits: int = 2) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "−ELBO", "−log p(x)", "rate", "I(x; z) ≥", "active", "shuffled", "AUC", "problem"):
        table.add_column(name, justify="left" if name in ("run", "problem") else "right")
    for row in rows:
        active = "–" if row.active is None else f"{row.active[0]} of {row.active[1]}"
        figures = [
            text(row.elbo),
            text(row.nll),
            text(row.rate),
            text(row.information),
            active,
            text(row.shuffled),
        ]
        table.add_row(row.name, *figures, text(row.auc, 3), row.problem)
    out.print(table)
    benchmarks = sorted({row.benchmark for row in rows})
    if len(benchmarks) > 1:
        out.print(f"these are of different benchmarks, whose figures do not compare: {'; '.join(benchmarks)}")


def fidelity(
    run: RunPath,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--n",
            min=10,
            help="images that are generated; 1000 of captions, else 2000, or as many as the test split has",
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=2, help="images among which each caption is to find its own")
    ] = 100,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: LatentTemperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    fid: Annotated[
        bool, typer.Option("--fid", help="FID and KID by Inception too, whose weights you must have")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measures how far generated images are from real ones; of captions, whether images show what they say."""
    from ..runs import Run

    opened = Run.open(run)
    tell = Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print
    if opened.recipe.reads != "captions":
        needs(opened, "generates", "generated images")
        quality = opened.quality(n=n, seed=seed, fid=fid, say=tell)
        if as_json:
            print(json.dumps(quality.to_json(), indent=1))
        else:
            show_quality(quality)
        return
    if fid:
        raise RunError(
            f"{run} draws images of captions, which are read and not held against Inception: leave --fid out"
        )
    from ..pictures.drawing.captioned import said

    how = drawn_how(opened, guidance, temperature, top_k, top_p)
    found = opened.fidelity(
        n=n or 1000, candidates=candidates, seed=seed, how=", ".join(said(how)), say=tell, **how
    )
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
        return
    from ..report import readings

    header, rows, others = readings(found)
    if rows:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in header:
            table.add_column(name, justify="left" if name == header[0] else "right")
        for row in rows:
            table.add_row(*row)
        out.print(table)
    for line in others:
        out.print(line, markup=False)


def show_quality(found: SampleQuality) -> None:
    from ..report import qualities

    header, rows, lines = qualities(found)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, justify="left" if name == header[0] else "right")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    for line in lines:
        out.print(line, markup=False)


def report(
    run: RunPath, file: Annotated[Path | None, typer.Option("--out", help="page to write")] = None
) -> None:
    """Writes one self-contained page: verdict, curves, pictures, figures, how to reproduce."""
    from .. import report as page
    from ..runs import Run

    out.print(f"report: {page.write(Run.open(run), file)}")
