r"""The doctor: why a code is not used, and what to try.

An evaluation says *that* a code collapsed. Several illnesses look like it, and the cure of one does nothing for another:

=======================  ==========================================================  =====================================
illness                  sign                                                        first remedy
=======================  ==========================================================  =====================================
no information to        a decoder without any code has the same likelihood as the   another goal: a rate target
encode                   model, and refined codes do not help either
the encoder lags         the bound rises when each posterior is refined by           aggressive encoder training
                         gradient steps, the model fixed
the decoder is too       refining does not help, and the likelihood models the       skip connections, a weaker decoder
strong                   dependence between pixels or words by itself
sigma too large          :math:`\sigma^2` is above the variances of the data:        the best sigma
                         a code gains nothing
uninformative rate       the rate stands at a floor that was asked for, and codes    normalised means
                         do not differ between examples
uniform directions       the concentrations on the spheres stand at their floor,     a fixed concentration
                         where the posterior is hardly more than the prior
=======================  ==========================================================  =====================================

Two measurements make the difference, beside those of the evaluation. *Refining* moves the posterior of each example by gradient
steps; the gain of the ELBO is the amortisation gap (Cremer et al., 2018). The *codeless baseline* is the model's own decoder,
trained a little longer on codes that were drawn from the prior and hold nothing of the example: what remains is the best
:math:`p(x)` that it gives without a code.

References:
    | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558
    | Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse (Lucas et al., 2019)
    | https://arxiv.org/abs/1911.02469
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..data import Data
from ..trace import Model
from .evaluate import measured
from .figures.codes import groups_of
from .figures.directions import WORTH
from .finding import Finding
from .finding import interval as show
from .record import Evaluation
from .subject import Subject
from .verdicts import FAINT, ignores_code, is_unfinished, verdict

__all__ = ["diagnose", "explained_findings"]

LAG = 0.5  # nats of amortisation gap that count
SHARE = 0.25  # of the whole gap of the bound that counts
PARKED = 0.05  # nats of a dimension that is charged and is uninformative
ACTIVE = 1e-2
SURE = 3.0  # standard errors
LOOSE = 1.5  # concentration: a learnt one is above 1
SIGMA = "sigma too large for any code"


def diagnose(
    model: Model,
    data: Data,
    evaluation: Evaluation,
    *,
    examples: int = 200,
    steps: int = 100,
    baseline_steps: int = 300,
    seed: int = 0,
) -> Evaluation:
    """Measures why a model's code is as it is: returns the evaluation with the doctor's figures and findings.

    Arguments:
        model: The model; it is left as it was.
        data: The data.
        evaluation: What `evaluate` found.
        examples: The held-out examples that are refined.
        steps: The gradient steps of refining.
        baseline_steps: The steps for which the decoder is trained without a code.
        seed: The seed of all draws.
    """
    asked = {"refined": examples, "steps": steps, "baseline_steps": baseline_steps}
    subject = Subject(model, data, evaluation.split, examples=evaluation.examples, seed=seed, asked=asked)
    found = measured(subject, "diagnosis", evaluation)
    given = tuple(explained_findings(found))
    return replace(found, findings=given, verdict=verdict(found, given))


# ---------------------------------------------------------------------------------------------------- findings


def is_idle(d: Evaluation) -> bool:
    """Returns whether the decoder does as well, or nearly so, with the code of another example."""
    other = d["shuffle"].other
    return other.mean <= max(2 * other.se, LAG) or ignores_code(d) or d["bound"].rate.mean < FAINT


def lags(d: Evaluation) -> bool:
    r = d.get("refinement")
    if r is None or r.gap.mean < SURE * r.gap.se:
        return False
    if (
        is_idle(d) and r.refined.mean <= r.rate.mean
    ):  # the bound rises since the code costs less, not since it is more informative
        return False
    return r.gap.mean > max(LAG, SHARE * r.total.mean) or (
        r.gap.mean > LAG / 5 and r.refined.mean > 2 * r.rate.mean + 0.1
    )


def parked(d: Evaluation) -> list[int]:
    """Lists the dimensions with a KL whose means do not vary with the data."""
    found = []
    for g in groups_of(d).values():
        if g.kl is not None and g.activity is not None:
            found += [
                j for j, (nats, moves) in enumerate(zip(g.kl, g.activity)) if nats > PARKED and moves < ACTIVE
            ]
    return found


def has_autoregressive_likelihood(d: Evaluation) -> bool:
    return d["likelihood"].autoregressive


def sigma_kills(d: Evaluation) -> Finding | None:
    scale = d["likelihood"].scale
    variances = d["variances"].values if "variances" in d else None
    if variances is None or scale is None or not is_idle(d):
        return None
    price = max(d["beta"].last, 1e-12) * scale**2
    paying = sum(value > price for value in variances)
    if paying > 2:
        return None
    return Finding(
        SIGMA,
        "certain",
        f"βσ² is {price:.3g}, and {paying} of the data's {len(variances)} principal variances are above it (the largest is "
        f"{variances[0]:.3g}): a linear decoder gains nothing from a code, and collapse is the optimum.",
        "Let σ be the best one at each moment.",
        {"likelihood": "gaussian-optimal"},
    )


def no_information(d: Evaluation) -> Finding | None:
    codeless = d.get("codeless")
    if codeless is None:
        return None
    saved = codeless.saved
    if not is_idle(d) or lags(d) or saved.mean > max(LAG, 2 * saved.se):
        return None
    if has_autoregressive_likelihood(d):
        return None
    return Finding(
        "no information to encode",
        "likely",
        f"Without any code the decoder reaches −log p(x) = {show(codeless.nll)} nats, and the code gains "
        f"{saved.mean:.2f}: under this likelihood the data has no information to encode.",
        "Set a target rate in place of the likelihood's optimum, if codes are the purpose.",
        {"rate": 5.0},
    )


def encoder_lags(d: Evaluation) -> Finding | None:
    r = d.get("refinement")
    if r is None or not lags(d):
        return None
    evidence = (
        f"Refining each posterior by gradient steps raises the bound by {show(r.gap)} nats, and the rate from "
        f"{r.rate.mean:.2f} to {r.refined.mean:.2f}: "
    )
    if is_idle(d):
        return Finding(
            "the encoder lags",
            "certain",
            evidence + "the decoder could use information that the encoder omits.",
            "Train the encoder ahead of the decoder.",
            {"training": "aggressive"},
        )
    return Finding(
        "amortisation gap",
        "certain",
        evidence + f"that is {r.gap.mean / r.total.mean:.0%} of the inference gap, log p(x) − ELBO.",
        "The code is used; a larger encoder, or a longer run, would make the bound tighter.",
        {},
        problem=False,
    )


def decoder_too_strong(d: Evaluation) -> Finding | None:
    is_explained = uniform_directions(d) is not None or uninformative_rate(d) is not None
    if not is_idle(d) or lags(d) or not has_autoregressive_likelihood(d) or is_explained:
        return None
    saved = d["codeless"].saved if "codeless" in d else None
    evidence = (
        "" if saved is None else f", and the code gains {saved.mean:.2f} nats over a decoder without one"
    )
    return Finding(
        "the decoder is too strong",
        "likely",
        f"The likelihood models the dependence within an example by itself; the rate is {show(d['bound'].rate)} nats{evidence}.",
        "Feed the code to every layer by skip connections and spread its means, or weaken the decoder.",
        {"posterior": "bn-vae"},
    )


def uninformative_rate(d: Evaluation) -> Finding | None:
    dims = parked(d)
    rate = d["bound"].rate
    if rate.mean < FAINT or uniform_directions(d) is not None or not (is_idle(d) or len(dims) > total(d) / 2):
        return None
    where = (
        f"{len(dims)} of {total(d)} dimensions have a KL, but means that do not vary with the data"
        if dims
        else ("the code does not differ between examples")
    )
    return Finding(
        "uninformative rate",
        "certain" if is_idle(d) else "likely",
        f"The rate is {show(rate)} nats, log p(x|z) drops by {show(d['shuffle'].other)} with shuffled codes, and {where}: a "
        "floor on the rate is met by uninformative codes.",
        "Spread the means over examples (BN-VAE) in place of a floor.",
        {"posterior": "bn-vae"},
    )


def uniform_directions(d: Evaluation) -> Finding | None:
    found = d.get("directions")
    if found is None or not is_idle(d) or found.concentration.mean > LOOSE or no_information(d) is not None:
        return None
    return Finding(
        "uniform directions",
        "likely",
        f"The concentration is {show(found.concentration)}, and a learnt one is never below 1; the rate is "
        f"{show(d['bound'].rate)} nats. In {found.dimensions} dimensions that is hardly different from the uniform prior, and "
        f"log p(x|z) drops by {show(d['shuffle'].other)} with shuffled codes.",
        f"Fix the concentration: at {found.worth} the rate is {WORTH:.0f} nats whatever the encoder does.",
        {"kappa": float(found.worth)},
    )


def total(d: Evaluation) -> int:
    return sum(g.dimensions for g in groups_of(d).values())


RULES: tuple[Callable[[Evaluation], Finding | None], ...] = (
    sigma_kills,
    uniform_directions,
    encoder_lags,
    decoder_too_strong,
    uninformative_rate,
    no_information,
)


def explained_findings(d: Evaluation) -> Iterator[Finding]:
    """Lists causes first; what the evaluation says of a code that is not used gives way to the reason why."""
    known = d.findings
    early = ("beta unfinished", "sigma too small", "not a generative model")
    yield from (f for f in known if f.name in early)
    causes = [f for rule in RULES if (f := rule(d)) is not None]
    if is_unfinished(d) or (d["beta"].last > 1.01 and is_idle(d)):
        causes = [f for f in causes if f.name == SIGMA]  # the weight of the rate explains the rest
    yield from causes
    gone = {*early, *({"sigma too large"} if any(f.name == SIGMA for f in causes) else ())}
    if any(f.problem for f in causes):
        gone |= {"total collapse", "partial collapse"}
    yield from (f for f in known if f.name not in gone)
