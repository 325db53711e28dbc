"""The codes, by latent group: active dimensions, mutual information, and the match of codes and prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bounds import Estimate
from ..finding import Absent, Figure, nats
from ..latents import Codebook, Latents
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["CodeFigures", "MeasureCodes", "groups_of", "has_energy", "has_flat_prior", "has_points", "in_use"]

SHOWN = 10  # dimensions named one by one
GROUPS = 4  # groups named one by one


@dataclass(frozen=True)
class CodeFigures:
    """Holds the figures of the latent groups by name, in the order of the walk."""

    groups: dict[str, Latents]


class MeasureCodes(Measurement):
    """Measures active dimensions, information and the match of codes and prior, by latent group."""

    name, holds, needs = "codes", CodeFigures, ("scores", "encodes")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> CodeFigures:
        if not subject.codes:
            raise Absent("the code of the model is the example itself under a little noise", expected=False)
        return CodeFigures(subject.codes)

    def rows(self, value: CodeFigures, e: Evaluation) -> Iterator[Figure]:
        if len(value.groups) > GROUPS:
            yield Figure(
                "active dimensions by group",
                ", ".join("–" if g.active is None else str(g.active) for g in value.groups.values()),
                "Dimensions whose posterior mean varies with the data, of each group.",
            )
            return
        for name, group in value.groups.items():
            of = f" of {name}" if len(value.groups) > 1 else ""
            yield from of_codebook(of, group)
            yield from of_normaliser(of, group)
            yield from of_dimensions(of, group)
            yield from of_prior(of, group)


def of_codebook(of: str, g: Latents) -> Iterator[Figure]:
    if g.codebook is not None:
        c = g.codebook
        yield Figure(
            f"codebook usage{of}",
            f"{c.used:,} of {c.codes:,}, perplexity {c.perplexity:.1f}",
            f"In {g.examples:,} examples of {g.dimensions} codes each. The perplexity is the number of codes, were they all "
            "equally frequent.",
        )


def of_normaliser(of: str, g: Latents) -> Iterator[Figure]:
    z = g.normaliser
    if z is None:
        return
    if z.se == 0 or z.ess is None:
        yield Figure(f"log Z{of}", f"{z.log_z:.2f}, exact", "Of the energy, summed over all states.")
        return
    by = f"chains of {z.temperatures:,} temperatures" if z.temperatures else "draws"
    yield Figure(
        f"log Z{of}",
        f"{nats(Estimate(z.log_z, z.se))}, {z.ess:.0f} effective {by}",
        "Of the energy, estimated by annealed importance sampling: half as many temperatures gave the same. Its error is part of "
        "that of every log p(x). A mode that no chain met is not in it."
        if z.temperatures
        else "Of the energy, an average over draws of what it reweighs. Its error is part of that of every log p(x).",
    )


def of_dimensions(of: str, g: Latents) -> Iterator[Figure]:
    if g.active is not None:
        yield Figure(
            f"active dimensions{of}",
            f"{g.active} of {g.dimensions}",
            "Dimensions whose posterior mean varies with the data.",
        )
    if g.kl is not None:
        largest = sorted(g.kl, reverse=True)
        more = "" if len(largest) <= SHOWN else f" and {len(largest) - SHOWN} smaller"
        yield Figure(
            f"KL by dimension{of}",
            ", ".join(f"{value:.2f}" for value in largest[:SHOWN]) + more,
            "The rate of each dimension, in nats, the largest first.",
        )


def of_prior(of: str, g: Latents) -> Iterator[Figure]:
    if g.information is not None:
        i = g.information
        value = f"at least {i.lower.mean:.2f}" if i.saturated else f"{i.lower.mean:.2f} to {i.upper.mean:.2f}"
        yield Figure(f"mutual information{of}", f"{value} nats", "Of code and example, between two bounds.")
    if g.mismatch is not None:
        low, high = g.mismatch
        yield Figure(
            f"mismatch{of}",
            f"{low:.2f} to {high:.2f} nats",
            "KL(q(z) ‖ p(z)), the marginal KL: the part of the rate that is no information about the example.",
        )
    if g.auc is not None:
        yield Figure(
            f"codes against prior{of}",
            f"AUC {g.auc.mean:.3f} ± {g.auc.se:.3f}",
            "Of a two-sample classifier of codes against prior samples. At ½ they agree; near 1 the prior has holes.",
        )


def in_use(name: str, g: Latents) -> str:
    """Words the usage of a group."""
    if g.codebook is not None:
        return f"codebook usage {used(g.codebook)} of {name}"
    return f"{g.active} of {g.dimensions} dimensions of {name} active"


def used(c: Codebook) -> str:
    return f"{c.used:,} of {c.codes:,}"


def groups_of(e: Mapping[str, Any]) -> Mapping[str, Latents]:
    """Returns the figures of the latent groups; none without a code."""
    groups: Mapping[str, Latents] = e["codes"].groups if "codes" in e else {}
    return groups


def has_flat_prior(e: Mapping[str, Any]) -> bool:
    return any(g.prior_is_flat for g in groups_of(e).values())


def has_points(e: Mapping[str, Any]) -> bool:
    return any(g.posterior_is_point for g in groups_of(e).values())


def has_energy(e: Mapping[str, Any]) -> bool:
    return any(g.normaliser is not None and g.normaliser.of_chains for g in groups_of(e).values())
