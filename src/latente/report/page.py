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
from ..evaluation import Classification, Evaluation, Finding, Latents, SampleQuality
from ..evaluation.bounds import Estimate
from ..evaluation.classification import share
from ..evaluation.diagnosis import Diagnosis
from ..evaluation.verdicts import (
    GROUPS,
    has_energy,
    has_flat_prior,
    has_noise,
    has_points,
    is_diffused,
    score_of,
)
from ..models import Draw
from ..models.boltzmann import RBM
from ..pictures.canvas import need
from ..training.checkpoint import WEIGHTS, write_whole
from .commands import command

if TYPE_CHECKING:
    from ..runs import Run

__all__ = ["write"]

NAME = "report.html"
SHOWN = 10  # dimensions named one by one
CODECS = {"png": "PNG", "webp": "WebP"}
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
    evaluation = run.evaluation() or run.evaluate()
    content = render(run, evaluation, doctor.stored(run) or evaluation)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode())
    except OSError as error:
        raise LatenteError(f"{path} cannot be written ({error.strerror}): choose another --out") from None
    return path


def render(
    run: Run, evaluation: Evaluation | Classification, judged: Evaluation | Classification | Diagnosis
) -> str:
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
        figures=[*figures(judged), *of_quality(run.stored_quality())],
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


@dataclass(frozen=True)
class Figure:
    """Holds a figure: its name, its value, and a line that says what it is."""

    name: str
    value: str
    meaning: str


def nats(value: Estimate) -> str:
    return f"{value.mean:.2f} ± {value.se:.2f} nats"


def figures(e: Evaluation | Classification | Diagnosis) -> Iterator[Figure]:
    """Lists the figures, each with what it means."""
    if isinstance(e, Classification):
        yield from of_labels(e)
    elif isinstance(e, Diagnosis):
        yield from of_labels_beside(e.evaluation)
        yield from of_bounds(e.evaluation)
        yield from of_causes(e)
    else:
        yield from of_labels_beside(e)
        yield from of_bounds(e)


def of_labels_beside(e: Evaluation) -> Iterator[Figure]:
    """Lists the figures of q(y|x), where the model is one of labels too."""
    if e.labels is not None:
        yield from of_labels(e.labels)


def of_labels(c: Classification) -> Iterator[Figure]:
    yield Figure(
        "error",
        share(c.error),
        f"Examples taken for another class. Always naming the most frequent class errs in {100 * c.guess:.2f} %.",
    )
    yield Figure(
        "cross-entropy",
        nats(c.cross_entropy),
        "−log p(y|x): it counts how sure the classifier was, too.",
    )
    yield Figure(
        "labels",
        f"{c.labels:,} + {c.chosen_by:,}",
        "Labels that it learnt from, and those of validation, which chose the weights."
        if c.chosen_by
        else "Labels that it learnt from, and those that chose the weights: a bound without labels did.",
    )
    yield Figure("error on training data", share(c.train_error), "Of the examples that it learnt from.")
    yield Figure(
        "calibration error",
        f"{100 * c.calibration:.2f} %",
        f"How far confidence and accuracy are apart, on average. It gives the class it names {100 * c.confidence:.2f} %.",
    )
    if c.confusions:
        yield Figure(
            "taken for another",
            "; ".join(f"{m.true} for {m.taken}: {m.count} of {m.of:,}" for m in c.confusions),
            "The most frequent mistakes.",
        )


def of_bounds(e: Evaluation) -> Iterator[Figure]:
    if not e.latents:
        yield Figure(
            f"−{score_of(e)}",
            nats(-e.elbo),
            "The density with noise between the levels of the data: an upper bound of −log p(x). Lower is better."
            if has_noise(e)
            else "Distortion plus rate: an upper bound of −log p(x), averaged over times and noise. Lower is better."
            if is_diffused(e)
            else "What the model finds improbable: exact, since there is no code. Lower is better.",
        )
        yield from of_points(e)
        yield from of_bits(e)
        yield on_training(e)
        return
    points, flat, score = has_points(e), has_flat_prior(e), score_of(e)
    yield Figure(
        f"−{score}",
        nats(-e.elbo),
        "Distortion plus rate. The posterior is a point, which has no density, so this is no bound of −log p(x)."
        if points
        else "Distortion plus rate. The posterior is exact, so this is −log p(x) itself, if log Z below is right."
        if has_energy(e)
        else "Distortion plus rate: an upper bound of −log p(x), so lower is better.",
    )
    yield Figure(
        "distortion",
        nats(e.distortion),
        "−log p(x|z) at codes of the example: what the reconstruction misses.",
    )
    yield Figure(
        "rate",
        nats(e.rate),
        "The prior is flat, so codes cost nothing."
        if points and flat
        else "−log p(z) of the code: a density, so it may be negative, and it depends on the scale of the codes. The lower, the "
        "better the prior fits them."
        if points
        else "KL(q(z|x) ‖ p(z)): what the code says beyond the prior. Near 0 the code is not used.",
    )
    if len(e.rates) > GROUPS:
        yield Figure(
            "rate by group",
            ", ".join(f"{rate.mean:.2f}" for rate in e.rates.values()),
            "The share of each latent group, in the order of the walk: which steps say anything.",
        )
    elif len(e.rates) > 1:
        for name, rate in e.rates.items():
            yield Figure(f"rate of {name}", nats(rate), "The share of this latent group.")
    if e.nll is not None:
        yield Figure(
            "−log p(x), importance-weighted",
            f"{e.nll.mean:.2f} ± {e.nll.se:.2f} nats",
            f"The same from k = {e.nll.k:,} draws of the posterior for each of {e.nll.examples:,} examples: all weigh alike."
            if has_energy(e)
            else f"A tighter upper bound, from k = {e.nll.k:,} draws of the posterior for each of {e.nll.examples:,} examples: "
            "the figure to compare models by, on one benchmark.",
        )
        yield Figure(
            "by draws k",
            ", ".join(f"{k:,}: {value:.2f}" for k, value, _ in e.nll.curve),
            "The same bound from fewer draws. Where it still falls at the end, more draws would lower it.",
        )
        yield Figure(
            "effective draws",
            f"{e.nll.ess_mean:.1f} of {e.nll.k:,}",
            "How many of the draws carry the weight. Few of them: the posterior differs from the true one.",
        )
    if e.perplexity is not None:
        p = e.perplexity
        yield Figure(
            "perplexity",
            f"{p.elbo:.2f} by the ELBO" + ("" if p.nll is None else f", {p.nll:.2f} importance-weighted"),
            f"The exponential of the nats a word, {p.words:.2f} words a sentence, the end of a sentence counted as one: the "
            "number of words it might as well have guessed among.",
        )
    yield from of_points(e)
    yield from of_bits(e)
    yield on_training(e)
    if len(e.latents) > GROUPS:
        yield Figure(
            "active dimensions by group",
            ", ".join("–" if g.active is None else str(g.active) for g in e.latents.values()),
            "Dimensions whose mean moves with the data, of each group.",
        )
    else:
        for name, group in e.latents.items():
            yield from figures_of(name if len(e.latents) > 1 else "", group)
    yield Figure(
        "loss with another's code",
        nats(e.shuffle.other),
        "How much worse an example is explained by the code of another one. Near 0 the decoder ignores the code.",
    )
    if e.likelihood.residual is not None:
        yield Figure(
            "root mean squared error",
            f"{e.likelihood.residual:.4g}",
            f"Of reconstructions; the likelihood is {e.likelihood.family}.",
        )
    yield from of_restored(e)
    if has_energy(e):  # trained on no bound
        return
    beta = f"{e.beta.last:.3g}" + ("" if e.beta.last == e.beta.limit else f" (tends to {e.beta.limit:.3g})")
    yield Figure("β", beta, "The weight of the rate in training. All figures above are those of β = 1.")


def of_restored(e: Evaluation) -> Iterator[Figure]:
    if e.restored is not None:
        r = e.restored
        yield Figure(
            "PSNR of reconstructions",
            f"{r.psnr.mean:.2f} ± {r.psnr.se:.2f} dB",
            "The mean squared error in decibels below the range of the data, which is 1, means cut to it: higher is better. From "
            f"one draw of the code {r.psnr_draw.mean:.2f}.",
        )
        if r.ssim is not None and r.ssim_draw is not None:
            yield Figure(
                "SSIM of reconstructions",
                f"{r.ssim.mean:.3f} ± {r.ssim.se:.3f}",
                f"Structural similarity, 1 for equal images. From one draw of the code {r.ssim_draw.mean:.3f}.",
            )


def of_quality(q: SampleQuality | None) -> Iterator[Figure]:
    """Lists the figures of generated images, where `latente fidelity` made them."""
    if q is None:
        return
    sets = {"samples": q.samples, "reconstructions": q.reconstructions, "real images": q.floor}
    yield Figure(
        q.name,
        ", ".join(f"{d.frechet:.2f} of {name}" for name, d in sets.items() if d is not None),
        f"Fréchet distance to test images as seen by {q.network}, {q.n:,} images each. Real images are the floor.",
    )
    if q.samples is not None and q.samples.neighbours is not None:
        near = q.samples.neighbours
        yield Figure(
            "precision, recall, density, coverage",
            f"{near.precision:.3f}, {near.recall:.3f}, {near.density:.3f}, {near.coverage:.3f}",
            f"Of samples, by {near.k} nearest neighbours: whether they look real, and whether they show all there is.",
        )
    if q.per_second is not None:
        yield Figure("samples a second", f"{q.per_second:,.1f}", "On the machine that measured it.")


def of_points(e: Evaluation) -> Iterator[Figure]:
    if e.points is not None:
        p = e.points
        yield Figure(
            "nats a point",
            f"{p.elbo:.3f}"
            + ("" if p.nll is None or not e.latents else f", {p.nll:.3f} importance-weighted"),
            f"−log p(x) over {p.points:.1f} points of a drawing, its end counted as one: a density, which may be negative, in "
            "units of the moves' standard deviation.",
        )
        yield Figure(
            "L_R and L_KL of sketch-rnn",
            f"{p.reconstruction:.3f} and {p.kl:.3f}",
            f"As Ha and Eck (2017) report them: L_R is the distortion over the {p.longest} points of the longest drawing, L_KL "
            "the rate over the dimensions of the code. What follows the end of a drawing is certain; where the pen of all rows "
            f"that pad it is charged too, L_R is {p.padded:.3f}, and means something for a model that was trained on them.",
        )


def of_bits(e: Evaluation) -> Iterator[Figure]:
    if e.bits_per_dim is not None:
        yield Figure(
            "bits per dimension",
            f"{e.bits_per_dim:.4f}",
            "The same as a code length for each pixel or column.",
        )
        if e.codecs:
            yield Figure(
                "bits per dimension of files",
                ", ".join(f"{CODECS[name]} {bits:.4f}" for name, bits in e.codecs.items()),
                "What general codecs need for the same images, headers included: a model should need less.",
            )


def on_training(e: Evaluation) -> Figure:
    gap = e.train_elbo.mean - e.elbo.mean
    return Figure(
        f"−{score_of(e)} on training data",
        nats(-e.train_elbo),
        f"The held-out one less this is {gap:.2f} nats. Far above 0, the model has learnt its examples by heart.",
    )


def of_causes(d: Diagnosis) -> Iterator[Figure]:
    if d.refinement is not None:
        r = d.refinement
        yield Figure(
            "gain of refined posteriors",
            f"{nats(r.gap)}, of {r.total.mean:.2f} that the bound misses",
            f"What the bound gains when the posteriors of {r.examples} examples are moved by gradient steps: the encoder's share "
            "of the gap.",
        )
        yield Figure(
            "rate, refined",
            f"{r.rate.mean:.2f} to {r.refined.mean:.2f} nats",
            "If it rises with the bound, the encoder does not say what the decoder could use.",
        )
    if d.codeless is not None and d.saved is not None:
        yield Figure(
            "−log p(x) without a code",
            nats(d.codeless),
            "What the decoder reaches when it is trained on, on codes that know nothing of the example.",
        )
        yield Figure("what the code saves", nats(d.saved), "Against that, example by example.")
    if d.variances is not None:
        scale = d.evaluation.likelihood.scale
        against = "" if scale is None else f"; βσ² is {d.evaluation.beta.last * scale**2:.3g}"
        yield Figure(
            "principal variances of the data",
            ", ".join(f"{value:.3g}" for value in d.variances[:SHOWN]) + against,
            "The largest ones. With a linear decoder a direction whose variance is below βσ² gets no code.",
        )
    if d.directions is not None:
        yield Figure(
            "concentration of directions",
            f"{d.directions.concentration.mean:.2f} ± {d.directions.concentration.se:.2f}; their mean has length "
            f"{d.directions.resultant:.2f}",
            "How sure the code is of its directions, and whether all examples have the same one: a length of 1.",
        )
    if d.components is not None:
        yield Figure(
            "components of the prior in use",
            f"{d.components:.1f}",
            "The perplexity of their mean shares among codes.",
        )


def figures_of(name: str, g: Latents) -> Iterator[Figure]:
    of = f" of {name}" if name else ""
    if g.codebook is not None:
        c = g.codebook
        yield Figure(
            f"codes in use{of}",
            f"{c.used:,} of {c.codes:,}, perplexity {c.perplexity:.1f}",
            f"In {g.examples:,} examples of {g.dimensions} codes each. The perplexity is how many codes there might as well be, "
            "were all equally frequent.",
        )
    if g.log_z is not None:
        yield Figure(
            f"log Z{of}",
            f"{g.log_z.mean:.2f}, exact" if g.log_z.se == 0 else f"{nats(g.log_z)}, by annealing",
            "Of the energy, summed over all states."
            if g.log_z.se == 0
            else "Of the energy, estimated by annealed importance sampling. Its error is that of every log p(x); where the "
            "chains missed a mode it is larger than it seems, log Z too low and log p(x) too high.",
        )
    if g.active is not None:
        yield Figure(
            f"active dimensions{of}",
            f"{g.active} of {g.dimensions}",
            "Dimensions whose mean moves with the data.",
        )
    if g.kl is not None:
        largest = sorted(g.kl, reverse=True)
        more = "" if len(largest) <= SHOWN else f" and {len(largest) - SHOWN} smaller"
        yield Figure(
            f"KL by dimension{of}",
            ", ".join(f"{value:.2f}" for value in largest[:SHOWN]) + more,
            "What each dimension says beyond the prior, in nats, the largest first.",
        )
    if g.information is not None:
        i = g.information
        value = f"at least {i.lower.mean:.2f}" if i.saturated else f"{i.lower.mean:.2f} to {i.upper.mean:.2f}"
        yield Figure(
            f"mutual information{of}",
            f"{value} nats",
            "What a code tells about its example, between two bounds.",
        )
    if g.mismatch is not None:
        low, high = g.mismatch
        yield Figure(
            f"mismatch{of}",
            f"{low:.2f} to {high:.2f} nats",
            "KL(q(z) ‖ p(z)): the part of the rate that says nothing of the example.",
        )
    if g.auc is not None:
        yield Figure(
            f"codes against prior{of}",
            f"AUC {g.auc.mean:.3f} ± {g.auc.se:.3f}",
            "How well a classifier tells codes from prior samples. At ½ they agree; near 1 the prior has holes.",
        )


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


def drawn(run: Run, evaluation: Evaluation | Classification) -> tuple[list[Section], list[str]]:
    """Draws what the model has pictures of, and says why it has no others."""
    shown, omitted = [], []
    wanted = of_classifier(run) if isinstance(evaluation, Classification) else wishes(run, evaluation)
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
    of_images, of_rows = "pixels" in data.kind.has, "columns" in data.kind.has
    shows = data.kind.shows() or pictures
    across = min(8, max(3, int(most**0.5)))
    rows, side, few = min(6, max(2, most // 12)), min(20, max(4, int(most**0.5))), min(10, max(5, most // 4))
    points, boltzmann = has_points(evaluation), isinstance(model, RBM)
    yield (
        "How did training go?",
        "The contrast is no loss that falls: it says how much lower the model holds the data than its own dreams. The "
        "pseudo-likelihood judges the model."
        if boltzmann
        else "The rate is what codes cost, the distortion what they miss. If validation rises while training falls, it overfits."
        if evaluation.latents
        else "The distortion is what is lost in the last noise, the rate the price of taking the other away. There is no code."
        if is_diffused(evaluation)
        else "The distortion is −log p(x): there is no code. If validation rises while training falls, it overfits.",
        lambda: pictures.curves(run.metrics(), data.benchmark),
    )
    preview = data.kind.preview_of(run.record["data"])
    if preview is not None:
        yield (
            "What does the model see?",
            "Files of the folder, and what they are made before the model sees them: what is cut off here cannot be learnt.",
            preview,
        )
    yield (
        "What does it generate?",
        "Each is drawn number by number, through the flow, or out of noise: there is no code that they could be decoded from."
        if not evaluation.latents and data.kind.has & {"pixels", "columns"}
        else "Codes are drawn from the prior and decoded. If these are worse than the reconstructions below, the prior has holes."
        if not of_rows
        else "Codes are drawn from the prior, and rows from their likelihood: the orange should lie where the blue does.",
        lambda: shows.samples(model, data, n=across**2 if of_images else None, seed=seed),
    )
    if isinstance(model, Draw):
        vocabulary = data.learned.vocabulary if "captions" in data.kind.has else None
        held = vocabulary and data.test.fixed().subset(1, seed).y
        caption = vocabulary.decode(held)[0] if vocabulary and held is not None else None
        yield (
            "How does it draw?",
            "The canvas after every step. Where there is a caption, the shades below tell which words each step heard.",
            lambda: pictures.canvases(model, vocabulary, caption, n=3, seed=seed, note=data.benchmark),
        )
    if "strokes" in data.kind.has:
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
    if not evaluation.latents:
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
        if not any(g.kl for g in evaluation.latents.values())
        else "Each bar is a dimension's share of the rate. Dimensions that the bound has no use for are switched off.",
        lambda: pictures.kl_bars(evaluation),
    )
    if len(evaluation.latents) > 1:
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
