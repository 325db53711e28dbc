"""Corrupted examples, denoised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Seed
from .reconstructions import room_in_row

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model that was trained on corrupted images."""
    return None if case.lacks("corruption") or case.lacks("pixels") else {"n": room_in_row(case)}


@picture(
    question="How well does it denoise?",
    reading="Held-out examples are corrupted as in training. The model has not seen them clean.",
    of="run",
    needs=("pixels", "encodes", "decodes", "corruption"),
    what="denoised examples",
    command="denoise",
    report=asked,
)
def denoised(
    run: Run, *, n: Annotated[int, Field(ge=1, description="number of examples")] = 10, seed: Seed = 0
) -> Shown:
    r"""Corrupts held-out examples as in training, and shows their reconstructions.

    Above each stands what it gained, as a peak signal-to-noise ratio: :math:`-10 \log_{10}` of the mean squared error, in dB.

    References:
        | Extracting and Composing Robust Features with Denoising Autoencoders (Vincent et al., 2008)
        | https://doi.org/10.1145/1390156.1390294

    Raises:
        LatenteError: If the run was trained on clean examples, or its data is not images.
    """
    from ..objectives.corruption import corruption
    from .drawing import noise

    corrupt = corruption(run.objective)
    assert corrupt is not None
    return noise.denoised(run.model, run.data, corrupt, n, seed)
