"""Evaluates runs: what is measured of one is stored in its folder, and is read again while its weights are the same.

======================  ================================================================================
`evaluation.json`       what `latente evaluate` measured last
`diagnosis.json`        the same figures with those of the doctor
`samples.json`          how good generated images are, and how they follow captions
======================  ================================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ..commands import command
from ..data import Data
from ..errors import LatenteError, RunError
from ..runs import Run
from ..runs.store import keep, kept
from ..trace import Model
from .diagnosis import diagnose
from .evaluate import evaluate_model, listed
from .finding import Split
from .generation import STEERING, chooser_of, in_words
from .measurement import Measurement
from .record import Evaluation
from .subject import Subject

__all__ = [
    "asked_of",
    "diagnose_run",
    "evaluate",
    "evaluation_of",
    "measure_samples",
    "stored_diagnosis",
    "stored_evaluation",
    "stored_samples",
]

EVALUATION, DIAGNOSIS, SAMPLES = "evaluation.json", "diagnosis.json", "samples.json"


def evaluate(
    of: Model | Run,
    data: Data | None = None,
    *,
    split: Split = "test",
    k: int | None = None,
    examples: int | None = None,
    seed: int | None = None,
    **training: Any,
) -> Evaluation:
    """Measures a model or a run on held-out data and judges it; the same call gives the same figures.

    Arguments:
        of: The model, or the run, in whose folder the figures are stored.
        data: The data of a model; a run has its own.
        split: The split to report.
        k: The draws per example of the importance-weighted bound; by default 1,000, and fewer where decoding is expensive.
        examples: The number of examples, the same ones for every run; by default all of the split where they cost less than a
            minute of two cores, and 1,000 elsewhere.
        seed: The seed of all draws; by default 0, and that of training for a run.
        training: Of a model, how it was trained: `beta`, the weights of the rate at the last step and at the end of its
            schedule, and `floor`, the nats of the rate that cost nothing.

    Raises:
        LatenteError: If no figure applies to the model, or the run has no weights or no data.
    """
    if not isinstance(of, Run):
        if data is None:
            raise LatenteError("data is missing: evaluate a model on data, e.g. latente.load_data('digits')")
        if getattr(data, "benchmark", None) is None:
            raise LatenteError(
                "data is no data set: give latente.from_arrays(x, y), or latente.load_data(path)"
            )
        return evaluate_model(of, data, split=split, k=k, examples=examples, seed=seed or 0, **training)
    of.needs_examples()
    seed = of.settings.seed if seed is None else seed
    try:
        how: dict[str, Any] = {"split": split, "k": k, "examples": examples, "seed": seed}
        found = evaluate_model(
            of.model, of.data, beta=of.beta(), floor=of.floor(), history=of.metrics(), **how
        )
    except LatenteError as error:
        if of.abilities.scores or of.abilities.infers_labels:
            raise
        raise RunError(
            f"{of.path}: {error}. See latente sample, and latente quality for the distance of samples to data"
        ) from None
    keep(of.path, EVALUATION, how, found.to_json())
    return found


def stored_evaluation(run: Run) -> Evaluation | None:
    """Returns what `evaluate` measured last of the weights that are there; None where nothing was, or it cannot be read."""
    return read_figures(run, EVALUATION)


def evaluation_of(run: Run) -> Evaluation:
    """Returns the stored evaluation, or measures it."""
    return stored_evaluation(run) or evaluate(run)


def asked_of(e: Evaluation) -> tuple[str, int, int | None]:
    """Returns what two evaluations have in common if their figures compare: the split, the examples, and the draws k."""
    return e.split, e.examples, e["nll"].k if "nll" in e else None


def diagnose_run(run: Run, *, examples: int = 200, steps: int = 100, baseline_steps: int = 300) -> Evaluation:
    """Evaluates a run, if that was not done, and diagnoses its code; the figures are stored in the run.

    Raises:
        RunError: If the run has no code, or no weights.
    """
    e = evaluation_of(run)
    if "codes" not in e:
        why = run.abilities.no.get("scores") or e.inapplicable.get("codes", "there is none")
        raise RunError(
            f"{run.path} has no latent code to diagnose ({why}): see {command('evaluate', run.path)}"
        )
    seed = run.settings.seed
    how = {"examples": examples, "steps": steps, "baseline_steps": baseline_steps, "seed": seed}
    return diagnose(run.model, run.data, e, **how)


def keep_diagnosis(run: Run, found: Evaluation) -> None:
    """Stores a diagnosis beside the evaluation that it is of."""
    stored = kept(run.path, EVALUATION)
    keep(run.path, DIAGNOSIS, {} if stored is None else {"of": stored.found}, found.to_json())


def stored_diagnosis(run: Run) -> Evaluation | None:
    """Returns the stored diagnosis, if it is of the evaluation that is stored."""
    stored, evaluation = kept(run.path, DIAGNOSIS), kept(run.path, EVALUATION)
    if stored is None or evaluation is None or stored.asked.get("of") != evaluation.found:
        return None
    return read_figures(run, DIAGNOSIS)


def measure_samples(
    run: Run,
    *,
    figure: str | None = None,
    n: int | None = None,
    seed: int = 0,
    say: Callable[[str], object] = str,
    **options: Any,
) -> Evaluation:
    """Measures the quality of a run's images, or how they match their captions; stores the figure in the run, beside others.

    Arguments:
        run: The run.
        figure: `quality` or `alignment`, or another figure of samples; by default the first that applies, which for captions
            is `alignment`.
        n: The images of each set; by default 1,000 of captions, else 2,000, or as many as the test split has.
        seed: The seed of all draws.
        say: Is called with a message when a network has to be trained, which takes up to some minutes.
        options: For `alignment`, `candidates`, the number of images to retrieve from, and the arguments of `chooser_of`; for
            `quality`, `fid`, whether FID and KID by Inception are computed too.

    Raises:
        LatenteError: If the run has no such images, an option is not one of its figures, or n is out of range.
    """
    run.needs_examples()
    whole = run.whole_data()  # with all labels, so that runs compare
    subject = Subject(run.model, whole, seed=seed)
    entry = applicable(run, subject, figure)
    if foreign := options.keys() - set(entry.options):
        raise RunError(
            f"{sorted(foreign)[0]} is no option of {entry.name}, which is measured of {run.path}: leave it out"
        )
    asked = {"n": n, "say": say, **with_chooser(run, entry, options)}
    subject = Subject(run.model, whole, seed=seed, asked=asked)
    e = Evaluation(whole.benchmark, "test", len(whole.test), {})
    e = e.having(**{entry.name: entry.compute(subject, e)})
    before, stored = stored_samples(run), kept(run.path, SAMPLES)
    earlier = {} if before is None or stored is None else stored.asked
    together = e if before is None else before.having(**{entry.name: e[entry.name]})
    keep(run.path, SAMPLES, {**earlier, entry.name: {"n": n, "seed": seed, **options}}, together.to_json())
    return e


def applicable(run: Run, subject: Subject, figure: str | None) -> Measurement:
    """Returns the measurement of samples of a name, or the first whose needs the model and its data meet."""
    refused = f"there is no figure {figure!r}"
    for entry in listed("samples"):
        if figure not in (None, entry.name):
            continue
        unmet = next(filter(None, map(subject.unmet, entry.needs)), "")
        if not unmet:
            return entry
        refused = unmet
    raise RunError(f"{run.path} has no generated images to be measured: {refused}")


def with_chooser(run: Run, entry: Measurement, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is asked of a measurement, with how images are drawn as one function where it takes one."""
    if not STEERING.keys() & set(entry.options):
        return dict(options)
    plain = {n: v for n, v in options.items() if n not in STEERING}
    chosen = {n: v for n, v in options.items() if n in STEERING}
    return {**plain, "choose": chooser_of(run, **chosen), "how": ", ".join(in_words(run, **chosen))}


def stored_samples(run: Run) -> Evaluation | None:
    """Returns what `measure_samples` measured last of the weights that are there."""
    return read_figures(run, SAMPLES)


def read_figures(run: Run, name: str) -> Evaluation | None:
    """Reads figures of a run; a file that cannot be read is as if it were not there, with a warning."""
    stored = kept(run.path, name)
    if stored is None:
        return None
    try:
        return Evaluation.of_json(stored.found)
    except ValueError:
        warnings.warn(
            f"{run.path / name} holds other figures than this version measures: it is not used", stacklevel=3
        )
        return None
