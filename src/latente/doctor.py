"""The doctor at the level of runs: diagnoses, remedies tried on a small budget, and runs side by side.

What a remedy is worth is an empirical question, and a cheap one: the run is trained again for a while, once as it was and
once with each change, from the same seed and on the same examples. All figures are those of β = 1, so a cure that costs
likelihood shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from . import recipes, runs
from .errors import Interrupted, LatenteError, RunError
from .evaluation.classification import Classification
from .evaluation.diagnosis import Diagnosis
from .evaluation.diagnosis import diagnose as measure
from .evaluation.verdicts import Finding
from .runs import Run
from .runs.store import unused
from .training.checkpoint import write_whole

__all__ = ["Row", "compare", "diagnose", "is_new", "remedies", "remedies_folder", "stored", "try_remedies"]

DIAGNOSIS = "diagnosis.json"

USUAL: tuple[dict[str, Any], ...] = (
    {"training": "aggressive"},
    {"posterior": "bn-vae"},
    {"skip": True},
    {"rate": 5.0},
    {"free_bits": 0.25},
    {"beta": "cyclical"},
)


@dataclass(frozen=True)
class Row:
    """Holds a run's figures in nats, for a table; what it does not have is None.

    Arguments:
        name: The run, or the change that was tried.
        benchmark: The data and how it is read: figures of two benchmarks do not compare.
        elbo: −ELBO at β = 1.
        nll: −log p(x), importance-weighted.
        rate: KL(q(z|x) ‖ p(z)).
        information: The lower bound of the mutual information.
        active: The active dimensions, and how many there are.
        shuffled: What log p(x|z) loses with another example's code.
        auc: How well codes are told from prior samples: ½ is not at all.
        problem: The first problem found; empty where there is none.
    """

    name: str
    benchmark: str
    elbo: float
    nll: float | None
    rate: float
    information: float | None
    active: tuple[int, int] | None
    shuffled: float
    auc: float | None
    problem: str


def diagnose(run: Run, *, examples: int = 200, steps: int = 100, baseline_steps: int = 300) -> Diagnosis:
    """Evaluates a run, if that was not done, and measures why its code is as it is; the figures are stored in the run.

    Raises:
        RunError: If the run is a classifier, or has no weights.
    """
    evaluation = run.evaluation() or run.evaluate()
    if isinstance(evaluation, Classification):
        raise RunError(
            f"{run.path} is a classifier, which has no code to diagnose: see latente evaluate {run.path}"
        )
    if not evaluation.latents:
        raise RunError(f"{run.path} has no latent code to diagnose: see latente evaluate {run.path}")
    found = measure(
        run.model,
        run.data,
        evaluation,
        examples=examples,
        steps=steps,
        baseline_steps=baseline_steps,
        seed=run.settings.seed,
    )
    found = replace(found, findings=tuple(at_hand(run, f) for f in found.findings))
    write_whole(run.path / DIAGNOSIS, json.dumps(found.to_json(), indent=1).encode())
    return found


def stored(run: Run) -> Diagnosis | None:
    """Returns the stored diagnosis, if `diagnose` was run since the run was last evaluated."""
    file, evaluation = run.path / DIAGNOSIS, run.evaluation()
    if not file.exists() or evaluation is None:
        return None
    try:
        found = Diagnosis.of_json(json.loads(file.read_bytes()))
    except ValueError:  # damaged, or of another version
        return None
    return found if found.evaluation == evaluation else None


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
    """Tells whether a change is one that the run's recipe takes beside its other arguments, and that the run has not made."""
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


def remedies(run: Run, diagnosis: Diagnosis, most: int = 4) -> list[dict[str, Any]]:
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
        yield row(tried, name)


def compare(found: Iterable[Run]) -> list[Row]:
    """Returns the figures of runs, each evaluated first where that was not done."""
    return [row(run, str(run.path)) for run in found]


def row(run: Run, name: str) -> Row:
    e = run.evaluation() or run.evaluate()
    if isinstance(e, Classification):
        raise LatenteError(
            f"{run.path} is a classifier: compare it by its error, latente evaluate {run.path}"
        )
    groups = list(e.latents.values())
    counted = [(g.active, g.dimensions) for g in groups if g.active is not None]
    first = groups[0] if groups else None
    problems = [f.name for f in e.findings if f.problem]
    return Row(
        name=name,
        benchmark=e.benchmark,
        elbo=-e.elbo.mean,
        nll=None if e.nll is None else e.nll.mean,
        rate=e.rate.mean,
        information=None if first is None or first.information is None else first.information.lower.mean,
        active=(sum(a for a, _ in counted), sum(d for _, d in counted)) if counted else None,
        shuffled=e.shuffle.other.mean,
        auc=None if first is None or first.auc is None else first.auc.mean,
        problem=problems[0] if problems else "",
    )
