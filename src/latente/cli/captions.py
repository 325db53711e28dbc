"""How images of captions are drawn, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runs import Run


def drawn_how(
    run: Run, guidance: float | None, temperature: float, top_k: int, top_p: float
) -> dict[str, Any]:
    """Returns how images are drawn, with the guidance that a model has where nobody says how much."""
    from ..evaluation import usual

    run.vocabulary  # noqa: B018  (refuses a model that reads no captions)
    guidance = usual(run.model) if guidance is None else guidance
    return {"guidance": guidance, "temperature": temperature, "top_k": top_k, "top_p": top_p}
