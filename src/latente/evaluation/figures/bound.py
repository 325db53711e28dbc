r"""The bound: :math:`-\mathbb{E}_q[\log p(x|z)]`, the distortion, plus :math:`\mathrm{KL}(q \,\|\, p)`, the rate.

It is always the one with :math:`\beta = 1`, whatever the model was trained on: a cure that costs likelihood is then visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bounds import Estimate
from ..finding import Figure, interval, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .codes import GROUPS, groups_of, has_energy, has_flat_prior, has_points, in_use

__all__ = ["Bound", "MeasureBound", "is_codeless_rate", "score_of"]


@dataclass(frozen=True)
class Bound:
    """Holds the bound and its parts, in nats per example.

    Arguments:
        elbo: The bound, β = 1; of a point mass log p(x, z), which is none.
        distortion: −E_q log p(x|z).
        rate: KL(q ‖ p), over all groups; of a point mass −log p(z), a density.
        rates: The same by group.
    """

    elbo: Estimate
    distortion: Estimate
    rate: Estimate
    rates: dict[str, Estimate]


class MeasureBound(Measurement):
    """Measures the evidence lower bound, distortion and rate."""

    name, holds, needs = "bound", Bound, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Bound:
        terms = subject.terms
        return Bound(
            elbo=subject.of_examples(terms.elbo),
            distortion=Estimate.of(terms.distortion),
            rate=subject.of_examples(terms.rate),
            rates={name: subject.of_examples(rate) for name, rate in terms.rates.items()},
        )

    def rows(self, value: Bound, e: Evaluation) -> Iterator[Figure]:
        yield Figure(f"−{score_of(e)}", nats(-value.elbo), meaning_of_score(e))
        if "codes" in e:
            yield Figure(
                "distortion",
                nats(value.distortion),
                "−log p(x|z) at codes of the example: the reconstruction error in nats.",
            )
            yield Figure("rate", nats(value.rate), meaning_of_rate(e))
            yield from by_group(value.rates)

    def praise(self, value: Bound, e: Evaluation) -> str:
        groups = groups_of(e)
        units = ", ".join(in_use(n, g) for n, g in groups.items())
        if len(groups) > GROUPS:
            units = (
                f"{len(groups)} groups of {sum(g.dimensions for g in groups.values()):,} dimensions in all"
            )
        most = "" if has_energy(e) or not groups else "at most "
        nll = e.get("nll")
        likelihood = "" if nll is None or not groups else f", −log p(x) {most}{nll.mean:.2f} ± {nll.se:.2f}"
        aucs = [g.auc for g in groups.values() if g.auc is not None]
        auc = f", AUC of codes against prior samples {interval(aucs[0])}" if aucs else ""
        return (
            f"−{score_of(e)} {interval(-value.elbo)} nats on {e.split} data and {interval(-e['training'].elbo)} on training data"
            f"{likelihood}, {units or 'no code'}{auc}."
        )


def is_codeless_rate(e: Mapping[str, Any]) -> bool:
    """Returns whether there is a rate without a code: the cost of denoising."""
    return "codes" not in e and "bound" in e and bool(e["bound"].rates)


def score_of(e: Mapping[str, Any]) -> str:
    """Names distortion plus rate: with a point mass, which has no density, it bounds nothing; without a code it is exact."""
    if "codes" not in e and not is_codeless_rate(e):
        return "E log p(x + u)" if e["likelihood"].is_bound else "log p(x)"
    return "log p(x, z)" if has_points(e) else "ELBO"


def meaning_of_score(e: Mapping[str, Any]) -> str:
    if has_points(e):
        return "Distortion plus rate. The posterior is a point, which has no density, so this is no bound of −log p(x)."
    if has_energy(e):
        return "Distortion plus rate. The posterior is exact, so this is −log p(x) itself, if log Z below is right."
    if "codes" in e:
        return "Distortion plus rate: an upper bound of −log p(x), so lower is better."
    if is_codeless_rate(e):
        return "Distortion plus rate: an upper bound of −log p(x), averaged over times and noise. Lower is better."
    if e["likelihood"].is_bound:
        return "The density with noise between the levels of the data: an upper bound of −log p(x). Lower is better."
    return "The negative log-likelihood: exact, since there is no code. Lower is better."


def meaning_of_rate(e: Mapping[str, Any]) -> str:
    if has_points(e) and has_flat_prior(e):
        return "The prior is flat, so codes cost nothing."
    if has_points(e):
        return (
            "−log p(z) of the code: a density, so it may be negative, and it depends on the scale of the codes. The lower, the "
            "better the prior fits them."
        )
    return "KL(q(z|x) ‖ p(z)): the information in the code beyond the prior. Near 0 the code is not used."


def by_group(rates: Mapping[str, Estimate]) -> Iterator[Figure]:
    if len(rates) > GROUPS:
        yield Figure(
            "rate by group",
            ", ".join(f"{rate.mean:.2f}" for rate in rates.values()),
            "The share of each latent group, in the order of the walk: which steps are used.",
        )
    elif len(rates) > 1:
        for name, rate in rates.items():
            yield Figure(f"rate of {name}", nats(rate), "The share of this latent group.")
