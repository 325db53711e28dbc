r"""What a model can do: asked once of two passes on one example, one with :math:`x` and one without.

A walk that cannot be walked refuses with a sentence, a `ValueError`: that sentence says why. Any other error is a fault of the
model, and comes through. What the distributions of a pass can do they say themselves, :mod:`latente.distributions.traits`; what a
module reads and whether a model infers labels is told beside the class, :func:`latente.nn.reads` and
:func:`latente.models.label_law`. So nobody asks what a model is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from .distributions.traits import has_density, is_diffused, of_names
from .errors import RunError
from .models.labels import label_law
from .nn.context import Given, reads
from .trace import Latent, Model, Trace

__all__ = ["Abilities", "abilities_of", "taken"]

NO_CODE = "the model has no latent code"


@dataclass(frozen=True)
class Abilities:
    """Holds what a model can do, ready for JSON.

    Arguments:
        generates: Whether examples can be drawn from its prior.
        decodes: Whether codes become examples; also where the prior cannot be drawn from.
        encodes: Whether examples have codes.
        scores: Whether examples have a likelihood, or a bound of it.
        code: What the first latent group holds: numbers, names (categories without neighbours), or nothing.
        groups: The latent groups, in the order of the walk.
        takes: What it is conditioned on.
        infers_labels: Whether it has a classifier, q(y|x).
        no: Why not, in a sentence, by the name of each ability that it lacks.
    """

    generates: bool
    decodes: bool
    encodes: bool
    scores: bool
    code: Literal["numbers", "names"] | None
    groups: tuple[str, ...]
    takes: Given | None
    infers_labels: bool
    no: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads_captions(self) -> bool:
        """Whether the model is conditioned on captions."""
        return self.takes == "captions"

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dumps` takes."""
        return asdict(self)

    @staticmethod
    def of_json(content: Mapping[str, Any]) -> Abilities:
        """Reads what `to_json` gave.

        Raises:
            RunError: If an ability is missing, or there is one that nobody knows.
        """
        try:
            return Abilities(**{**content, "groups": tuple(content["groups"])})
        except (TypeError, KeyError) as error:
            raise RunError(f"the abilities of the model are damaged ({error}): start a new run") from None


def abilities_of(model: Model, x: Tensor | None = None, y: Tensor | None = None) -> Abilities:
    """Finds what a model can do; its mode and the global random generators are left as they were.

    Arguments:
        model: The model.
        x: One example, with shape (1, *); one that the model draws where there is none.
        y: Its label or caption, with shape (1, *).

    Example:
        >>> from latente import recipes
        >>> found = abilities_of(recipes.make("vae", shape=(6,), latent=2).model, torch.zeros(1, 6))
        >>> found.encodes, found.code, found.groups, found.takes
        (True, 'numbers', ('z',), None)
    """
    takes = taken(model)
    known = y.clamp_min(0) if y is not None and y.dim() == 1 else y  # -1 is a label that nobody knows
    with at_rest(model):
        down, no_draw = passed(model, y=known, size=1)
        x = down.likelihood.sample() if x is None and down is not None else x
        through, no_code = (None, "there is no example to tell by") if x is None else passed(model, x, known)
        no_score = no_code or unscored(through, x)
        no_code = no_code or uncoded(through)
        if through is None:
            no_decoder = no_draw or uncoded(down, encoded=False)
        else:
            given = {name: g.z for name, g in through.latents.items()}
            no_decoder = no_code or passed(model, y=known, size=1, given=given)[1]
    groups = (through or down or Trace(())).latents
    no = {"generates": no_draw, "decodes": no_decoder, "encodes": no_code, "scores": no_score}
    if label_law(model) is None:
        no["infers_labels"] = "the model infers no labels"
    return Abilities(
        generates=not no["generates"],
        decodes=not no["decodes"],
        encodes=not no["encodes"],
        scores=not no["scores"],
        code=kind_of_code(groups.values()),
        groups=tuple(groups),
        takes=takes,
        infers_labels="infers_labels" not in no,
        no={name: why for name, why in no.items() if why},
    )


def taken(model: Model) -> Given | None:
    """Says what a model is conditioned on: labels, captions, or nothing."""
    return next((given for given in map(reads, model.modules()) if given is not None), None)


@contextmanager
def at_rest(model: Model) -> Iterator[None]:
    """Puts a model in evaluation mode for a while, with generators of its own and without gradients."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            yield
    finally:
        for module, training in modes:
            module.training = training


def passed(
    model: Model, x: Tensor | None = None, y: Tensor | None = None, **how: Any
) -> tuple[Trace | None, str]:
    """Walks once; returns what was met, or why the model refuses."""
    try:
        return model(x, y, **how), ""
    except ValueError as error:
        return None, str(error)


def uncoded(trace: Trace | None, encoded: bool = True) -> str:
    """Says why the groups that a pass met are no code, of the example where they are to be `encoded` ones."""
    groups = [] if trace is None else list(trace.latents.values())
    if not groups or (encoded and any(g.q is None for g in groups)):
        return NO_CODE
    noise = "the code of the model is the example itself under a little noise"
    return noise if any(is_diffused(g.p) for g in groups) else ""


def unscored(trace: Trace | None, x: Tensor | None) -> str:
    """Says why examples have no likelihood."""
    if trace is None or x is None or trace.likelihood.event_shape != x.shape[1:]:
        return "the likelihood of the model is not one of examples"
    return "" if has_density(trace.likelihood) else "the model draws examples and gives none a likelihood"


def kind_of_code(groups: Iterable[Latent]) -> Literal["numbers", "names"] | None:
    """Says what codes are made of; names, where some group is."""
    named = [of_names(g.p if g.q is None else g.q) for g in groups]
    return None if not named else "names" if any(named) else "numbers"
