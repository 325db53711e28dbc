"""Interpolations between two codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture
from .options import Rows, Seed, Steps

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts as many rows in a report as there is room for, where there is a code."""
    return {"rows": min(6, max(2, case.room // 12))} if case.abilities.decodes else None


@picture(
    question="How does it interpolate between two examples?",
    reading="The path from one code to another: each step should look like data, not like two examples laid over each other.",
    needs=("pixels", "encodes", "decodes", "numbers"),
    command="interpolate",
    report=asked,
)
def interpolations(model: Model, data: Data, *, rows: Rows = 6, steps: Steps = 10, seed: Seed = 0) -> Shown:
    r"""Interpolates between the codes of held-out examples, of two sentences, or of drawings of yours.

    The images are decoded from straight lines, :math:`(1 - t) \, z_a + t \, z_b`; where the prior is uniform on spheres, from the
    shortest arcs. The pairs of a conditional model are of one class, since its codes do not hold the class.

    Raises:
        LatenteError: If the data is not images, or the model has no code with values between.
    """
    from .drawing import images

    return images.interpolations(model, data, rows, steps, seed)
