"""What pictures need of a model and its data, and why there is none where it is missing: each in a sentence, made here alone.

What a model can do is asked of its :mod:`latente.abilities`; a few things only some models have, which is said beside their
classes (:mod:`latente.models.looks`), as objectives do. What an example has is asked of its kind of data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from ..errors import LatenteError

if TYPE_CHECKING:
    from ..abilities import Abilities
    from ..data import Data
    from ..runs import Run
    from ..trace import Model

__all__ = ["NEEDS", "refuse", "unmet"]


class Case(Protocol):
    """Has what is asked for: a model and its data, and the run they are of, where there is one."""

    @property
    def model(self) -> Model: ...

    @property
    def data(self) -> Data: ...

    @property
    def run(self) -> Run | None: ...

    @property
    def abilities(self) -> Abilities: ...


Need = Callable[[Case, str], str]


def unmet(need: str, case: Case, what: str) -> str:
    """Returns why a need of pictures, called `what`, is not met; empty where it is.

    What is not in the list is asked of the kind of data: whether its examples have such a thing.
    """
    return NEEDS[need](case, what) if need in NEEDS else lacking(need, case, what)


def refuse(need: str, case: Case, what: str) -> None:
    """Refuses a picture whose need is not met.

    Raises:
        LatenteError: If it is not.
    """
    if why := unmet(need, case, what):
        raise LatenteError(why)


def lacking(need: str, case: Case, what: str) -> str:
    """Asks for what examples have: words, strokes, or whatever else some kind of data has."""
    data = case.data
    return (
        ""
        if need in data.kind.has
        else f"{what}: this needs data with {need}, and {data.name} is a set of {data.kind.nouns}"
    )


def able(ability: str) -> Need:
    """Asks for an ability of the model."""

    def met(case: Case, what: str) -> str:
        why = case.abilities.no.get(ability, "")
        return f"there are no {what}: {why}" if why else ""

    return met


def numbers(case: Case, what: str) -> str:
    """Asks for codes with something between them."""
    if case.abilities.code != "names":
        return ""
    return "the codes of this model are categorical: nothing lies between two of them"


def groups(case: Case, what: str) -> str:
    """Asks for a hierarchy."""
    if len(case.abilities.groups) > 1:
        return ""
    return "this model has a single latent group: see its samples and reconstructions"


def pixels(case: Case, what: str) -> str:
    """Asks for images that can be shown."""
    data = case.data
    if "pixels" not in data.kind.has:
        return (
            f"{what} are pictures of images, and {data.name} is a set of {data.kind.nouns}: "
            "see its samples, reconstructions and scatter"
        )
    if data.shape[0] not in (1, 3):
        return f"{data.name} has images of {data.shape[0]} channels: pictures are drawn of 1 (grey) or 3 (colour)"
    return ""


def labels(case: Case, what: str) -> str:
    """Asks for a model that is conditioned on labels."""
    if case.abilities.takes == "labels":
        return ""
    return "this model does not take labels: train m2 or conditional-vae"


def captions(case: Case, what: str) -> str:
    """Asks for a model that reads captions."""
    if case.abilities.reads_captions:
        return ""
    return "this model reads no captions: train one by latente train text-to-image, caption-vae, or align-draw with an --align"


def chains(case: Case, what: str) -> str:
    """Asks for Gibbs chains."""
    from ..models.looks import chains

    if chains(case.model) is not None:
        return ""
    return f"{what} are those of a Boltzmann machine, and this model has none: see its samples"


def steps(case: Case, what: str) -> str:
    """Asks for a canvas that is drawn step by step."""
    from ..models.looks import canvases

    if canvases(case.model) is not None:
        return ""
    return "canvases are of models that draw step by step: train one by latente train draw or align-draw"


def corruption(case: Case, what: str) -> str:
    """Asks for examples that were corrupted in training."""
    from ..objectives.corruption import corruption

    if case.run is None or corruption(case.run.objective) is not None:
        return ""
    return f"{case.run.path} was trained on clean examples, so it restores none: train one by latente train denoising"


def files(case: Case, what: str) -> str:
    """Asks for a folder of image files that the model was trained on."""
    if case.run is not None and case.data.kind.preview_of(case.run.record["data"]) is not None:
        return ""
    return f"there are no {what}: the data is no folder of image files"


NEEDS: Mapping[str, Need] = {
    "generates": able("generates"),
    "decodes": able("decodes"),
    "encodes": able("encodes"),
    "numbers": numbers,
    "groups": groups,
    "pixels": pixels,
    "labels": labels,
    "reads_captions": captions,
    "chains": chains,
    "steps": steps,
    "corruption": corruption,
    "files": files,
}
