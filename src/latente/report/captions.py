"""The figures of how pictures follow captions, as rows of a table and lines of text."""

from __future__ import annotations

from ..evaluation import Fidelity

__all__ = ["readings"]


def readings(f: Fidelity) -> tuple[list[str], list[list[str]], list[str]]:
    """Returns a header, the rows of a table (none where nothing can be read), and lines on the rest."""
    named = {
        "real images (ceiling)": f.ceiling,
        "generated, seen captions": f.seen,
        "generated, held-out captions": f.held_out,
        "generated, captions shuffled": f.shuffled,
        "caption ignored (chance)": f.chance,
    }
    rows = [
        [name, *(f"{100 * v:.1f} %" for v in r.slots.values()), f"{100 * r.all:.1f} %"]
        for name, r in named.items()
        if r is not None
    ]
    header = ["", *(f.seen.slots if f.seen else ()), "all right"]
    lines = []
    if f.seen:
        lines.append(f"read of {f.seen.pictures:,} images" + (f", drawn with {f.how}" if f.how else ""))
    if f.flips is not None:
        lines.append(
            f"one word changed, same noise: {100 * f.flips:.1f} % change what it says, and nothing else"
        )
    r = f.retrieval
    lines.append(
        f"captions find their image among {r.pictures} by p(x|y)/p(x): "
        + ", ".join(f"R@{k} {100 * share:.0f} %" for k, share in r.at.items())
        + f", median rank {r.median:g} (by p(x|y) alone R@1 {100 * r.raw:.0f} %)"
    )
    if f.similarity is not None:
        lines.append(f"SSIM with the true image: {f.similarity.mean:.3f} ± {f.similarity.se:.3f}")
    if f.colours is not None:
        c = f.colours
        by = ", ".join(f"{word} {100 * share:.0f} %" for word, share in c.by.items())
        lines.append(
            f"another colour said, same noise: the hue follows in {100 * c.right:.0f} ± {100 * c.se:.0f} % of {c.pairs} "
            f"pairs ({by})"
        )
    return header, rows, lines
