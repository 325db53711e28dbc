"""To which directions a code is sensitive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Beside, Seed

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model whose code is made of units."""
    return {} if case.abilities.decodes and case.has_units else None


@picture(
    question="To which directions is the code sensitive?",
    reading="A contractive code is sensitive to a few directions, those in which the data varies, and robust to all others.",
    of="run",
    needs=("encodes", "numbers"),
    what="spectra",
    command="spectrum",
    report=asked,
)
def spectrum(
    run: Run,
    *,
    beside: Beside = (),
    n: Annotated[int, Field(ge=1, description="maximum number of examples to differentiate at")] = 100,
    seed: Seed = 0,
) -> Shown:
    r"""Shows the singular values of the encoder's Jacobian: how many directions the code follows.

    Those of :math:`\partial z / \partial x` at held-out examples: their mean, and the band that holds 80 % of them. Of a code
    that is not a point the posterior's mean is taken.

    References:
        | Contractive Auto-Encoders: Explicit Invariance During Feature Extraction (Rifai et al., 2011)
        | https://icml.cc/2011/papers/455_icmlpaper.pdf

    Raises:
        LatenteError: If a code has no derivative or is constant, or a run beside is on data of another shape.
    """
    from ..errors import RunError
    from ..runs import Run
    from .drawing import insides
    from .needs import refuse

    models = {str(run.path): run.model} if beside else {"": run.model}
    for path in beside:
        other = Run.open(path)
        refuse("encodes", Case.of(other), "spectra")
        if other.record["data"]["shape"] != run.record["data"]["shape"]:
            raise RunError(
                f"{path} has examples of another shape than {run.path}: compare runs on the same data"
            )
        models[str(path)] = other.model
    return insides.spectrum(models, run.data, n, seed)
