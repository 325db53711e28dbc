"""A discriminative beside a generative model of two columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .entry import picture
from .options import Seed

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


@picture(
    question="Where is the decision boundary?",
    reading="Left: the class probabilities, as confident far away from all data as among them. Right: the density of each class.",
    needs=("labels",),
    what="boundaries",
    command="boundary",
)
def boundary(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=0, description="number of samples of the model to draw")] = 200,
    side: Annotated[int, Field(ge=2, description="points of the grid per side")] = 90,
    draws: Annotated[int, Field(ge=1, description="posterior samples per point of the grid")] = 64,
    seed: Seed = 0,
) -> Shown:
    r"""Shows the decision boundary P(y|x) and the class densities P(x, y) over the two columns of a table.

    The left side is the classifier of the model where it has one, else Bayes' rule; the right side holds contours of the
    density of each class, and samples of the model.

    Raises:
        LatenteError: If the data has not two columns and labels, or the model does not take labels.
    """
    from .drawing import boundary as drawing

    return drawing.boundary(model, data, n, side, draws, seed)
