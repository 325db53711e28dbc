"""Gibbs chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Seed

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a Boltzmann machine of images."""
    return None if case.lacks("chains") or case.lacks("pixels") else {"n": min(6, max(2, case.room // 12))}


@picture(
    question="Do its chains mix?",
    reading="If chains from data and from noise look alike in the end, they mix. If not, there are walls between its modes.",
    needs=("chains", "pixels"),
    command="chains",
    report=asked,
)
def chains(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="number of chains from examples, and as many from noise")] = 6,
    steps: Annotated[Sequence[int], Field(description="numbers of Gibbs steps to show, in growing order")] = (
        1,
        10,
        100,
        1000,
    ),
    seed: Seed = 0,
) -> Shown:
    r"""Runs the Gibbs chains of a Boltzmann machine from held-out examples and from noise.

    The means of :math:`p(v | h)` are shown.

    References:
        | A Practical Guide to Training Restricted Boltzmann Machines (Hinton, 2010)
        | https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf

    Raises:
        LatenteError: If the model is no Boltzmann machine, the data is not images, or an option is not right.
    """
    from .drawing import noise

    return noise.chains(model, data, n, steps, seed)
