"""The doctor at the level of runs: diagnoses, remedies tried on a small budget, and runs side by side.

The worth of a remedy is an empirical question, and a cheap one: the run is trained again for a while, once as it was and
once with each change, from the same seed and on the same examples. All figures are those of β = 1, so a cure that costs
likelihood shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from . import recipes, runs
from .commands import command
from .errors import Interrupted, LatenteError, RunError
from .evaluation import Estimate, Evaluation, Finding, evaluation_of, verdict
from .evaluation.results import asked_of, diagnose_run, keep_diagnosis
from .recipes.remedies import USUAL
from .runs import Run
from .runs.store import unused

__all__ = ["Row", "compare", "diagnose", "is_new", "remedies", "remedies_folder", "try_remedies"]


@dataclass(frozen=True)
class Row:
    """Holds a run's figures in nats, for a table; what it does not have is None.

    Arguments:
        name: The run, or the change that was tried.
        benchmark: The data and how it is read: figures of two benchmarks do not compare.
        split: The split that was held out; figures of two splits do not compare.
        examples: The number of examples.
        held: A name for just these examples; figures of others do not compare.
        k: The draws of the importance-weighted bound.
        negative_elbo: −ELBO at β = 1.
        nll: −log p(x), importance-weighted.
        difference: How much larger −log p(x), or −ELBO where there is none, is than the first row's, paired by example.
        rate: KL(q(z|x) ‖ p(z)).
        information: The lower bound of the mutual information.
        active: The active dimensions, and how many there are.
        shuffled: The drop in log p(x|z) with shuffled codes.
        auc: The AUC of a classifier of codes against prior samples: ½ is best.
        problem: The first problem found; empty where there is none.
    """

    name: str
    benchmark: str
    split: str
    examples: int
    held: str
    k: int | None
    negative_elbo: Estimate
    nll: Estimate | None
    difference: Estimate | None
    rate: Estimate
    information: Estimate | None
    active: tuple[int, int] | None
    shuffled: Estimate | None
    auc: Estimate | None
    problem: str

    @property
    def asked(self) -> str:
        """How it was measured, in words; rows of another way do not compare."""
        draws = "" if self.k is None else f", k = {self.k:,}"
        return f"{self.examples:,} {self.split} examples{draws}"


def diagnose(run: Run, *, examples: int = 200, steps: int = 100, baseline_steps: int = 300) -> Evaluation:
    """Evaluates a run, if that was not done, and diagnoses its code; the figures are stored in the run.

    Raises:
        RunError: If the run has no code, or has no weights.
    """
    found = diagnose_run(run, examples=examples, steps=steps, baseline_steps=baseline_steps)
    given = tuple(at_hand(run, f) for f in found.findings)
    found = replace(found, findings=given, verdict=verdict(found, given))
    keep_diagnosis(run, found)
    return found


def at_hand(run: Run, finding: Finding) -> Finding:
    """Puts another remedy in the place of a usual one that the run has already, or its recipe does not take."""
    if finding.change not in USUAL or is_new(run, finding.change):
        return finding
    for change in USUAL:
        if is_new(run, change):
            ((name, value),) = change.items()
            advice = f"{finding.advice} This run does so already, or cannot: try {name.replace('_', ' ')} = {value}."
            return replace(finding, change=change, advice=advice)
    return replace(finding, change={})


def is_new(run: Run, change: Mapping[str, Any]) -> bool:
    """Returns whether a change is one that the run's recipe takes beside its other arguments, and that the run has not made."""
    recipe, arguments = run.record["recipe"], run.record["arguments"]
    own = recipes.parameters(recipe)
    if not change.keys() <= own.keys() or any(arguments.get(n) == v for n, v in change.items()):
        return False
    try:
        with torch.device("meta"):
            recipes.remake({**run.record, "arguments": {**arguments, **change}})
    except RunError:
        return False
    return True


def remedies(run: Run, diagnosis: Evaluation, most: int = 4) -> list[dict[str, Any]]:
    """Lists changes to try: first what the findings name, then the usual ones that the run's recipe has."""
    named = [f.change for f in diagnosis.findings if f.change and f.problem]
    found: list[dict[str, Any]] = []
    for change in [*named, *USUAL]:
        if is_new(run, change) and change not in found:
            found.append(change)
    return found[:most]


def remedies_folder(run: Run) -> Path:
    """Returns a folder in the run's in which no remedies were tried yet."""
    return unused(run.path / "remedies")


def try_remedies(
    run: Run,
    changes: Iterable[Mapping[str, Any]],
    *,
    steps: int = 1500,
    progress: bool = False,
    out: Path | None = None,
) -> Iterator[Row]:
    """Trains the run anew for a while, as it was and with each change, each in a folder of its own.

    Yields the figures of each as they come; a change that its recipe refuses, or that diverges, is left out.

    Arguments:
        run: The run.
        changes: Changes of the recipe's arguments.
        steps: The steps of each.
        progress: Whether to show progress bars.
        out: The folder of all of them; by default `remedies` in the run's, or `remedies-N` where they were tried before.

    Raises:
        LatenteError: If the folder holds such runs already, or training is interrupted.
    """
    root = out or remedies_folder(run)
    asked = run.asked()
    given = run.record["arguments"]
    how = {n: v for n, v in run.record["settings"].items() if n not in ("steps", "epochs")}
    every = max(1, min(how.pop("evaluate_every", 500), steps // 4))
    first: Evaluation | None = None
    for change in ({}, *changes):
        name = ", ".join(f"{n} {v}" for n, v in change.items()) or "as it was"
        try:
            tried = runs.train(
                run.record["recipe"],
                asked.source,
                root / (name.replace(" ", "-").replace(",", "") or "plain"),
                of=asked.of,
                arguments={**given, **change},
                label=asked.label,
                validation=asked.validation,
                test=asked.test,
                options=asked.options,
                progress=progress,
                **{**how, "steps": steps, "evaluate_every": every},
            )
        except LatenteError as error:
            if not change or isinstance(error, Interrupted):
                raise
            continue
        e = evaluated(tried)
        yield row(e, name, first)
        first = first or e


def compare(found: Iterable[Run]) -> list[Row]:
    """Returns the figures of runs, each evaluated first where that was not done, and held against those of the first."""
    rows: list[Row] = []
    first: Evaluation | None = None
    for run in found:
        e = evaluated(run)
        rows.append(row(e, str(run.path), first))
        first = first or e
    return rows


def evaluated(run: Run) -> Evaluation:
    """Returns the evaluation of a run, and refuses one without a bound."""
    e = evaluation_of(run)
    if "bound" not in e:
        raise LatenteError(f"{run.path} has no bound to compare: see {command('evaluate', run.path)}")
    return e


def row(e: Evaluation, name: str, first: Evaluation | None) -> Row:
    groups = list(e["codes"].groups.values()) if "codes" in e else []
    counted = [(g.active, g.dimensions) for g in groups if g.active is not None]
    top = groups[0] if groups else None
    problems = [f.name for f in e.findings if f.problem]
    split, examples, k = asked_of(e)
    return Row(
        name=name,
        benchmark=e.benchmark,
        split=split,
        examples=examples,
        held=e.held,
        k=k,
        negative_elbo=-e["bound"].elbo,
        nll=Estimate(e["nll"].mean, e["nll"].se) if "nll" in e else None,
        difference=None if first is None else difference(e, first),
        rate=e["bound"].rate,
        information=None if top is None or top.information is None else top.information.lower,
        active=(sum(a for a, _ in counted), sum(d for _, d in counted)) if counted else None,
        shuffled=e["shuffle"].other if "shuffle" in e else None,
        auc=None if top is None or top.auc is None else top.auc,
        problem=problems[0] if problems else "",
    )


def difference(e: Evaluation, first: Evaluation) -> Estimate | None:
    """Returns how much larger −log p(x) is than that of another evaluation, paired by example; None where they do not compare.

    The error of a difference on the same examples is far smaller than those of the two figures.
    """
    if e.held != first.held or asked_of(e) != asked_of(first):
        return None
    name = "nll" if "nll" in e.by_example and "nll" in first.by_example else "bound"
    return Estimate.of(torch.tensor(first.by_example[name]) - torch.tensor(e.by_example[name]))
