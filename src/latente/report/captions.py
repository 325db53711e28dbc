"""The figures of how pictures follow captions, as rows of a table and lines of text."""

from __future__ import annotations

from ..evaluation import Fidelity

__all__ = ["readings"]


def readings(f: Fidelity) -> tuple[list[str], list[list[str]], list[str]]:
    """Returns a header, the rows of a table (none where nothing can be read), and lines on the rest."""
    named = {
        "real (ceiling)": f.ceiling,
        "seen": f.seen,
        "held out": f.held_out,
        "shuffled": f.shuffled,
        "slot 1": f.guessed,
        "chance": f.chance,
    }
    found = {name: reading for name, reading in named.items() if reading is not None}
    slots = list(f.seen.slots) if f.seen else []
    rows = [[slot, *(share(r.slots[slot]) for r in found.values())] for slot in slots]
    if found:
        rows.append(["all of it", *(share(r.all) for r in found.values())])
    header = ["read right", *found]
    lines = []
    if f.seen:
        lines.append(
            f"{f.seen.pictures:,} images each: real ones, those of captions that training has seen or not, against each other's "
            "captions; then answers of captions that share slot 1, and of any"
            + (f"; drawn with {f.how}" if f.how else "")
        )
    if f.flips is not None:
        lines.append(
            f"one word changed, same noise: {100 * f.flips:.1f} % change what it says, and nothing else"
        )
    if f.diversity is not None:
        lines.append(f"pictures of one caption vary {f.diversity:.2f} times as much as real ones")
    r = f.retrieval
    lines.append(
        f"captions find their image among {r.pictures} by p(x|y)/p(x): "
        + ", ".join(f"R@{k} {100 * v:.0f} % (chance {100 * r.chance[k]:.0f} %)" for k, v in r.at.items())
        + f", median rank {r.median:g} (by p(x|y) alone R@1 {100 * r.raw:.0f} %)"
    )
    if f.similarity is not None:
        lines.append(f"SSIM with the true image: {f.similarity.mean:.3f} ± {f.similarity.se:.3f}")
    if f.colours is not None:
        c = f.colours
        by = ", ".join(f"{word} {100 * share:.0f} %" for word, share in c.by.items())
        lines.append(
            f"another colour said, same noise: the hue follows in {100 * c.right:.0f} ± {100 * c.se:.0f} % of {c.pairs} "
            f"pairs, where chance is 50 % ({by})"
        )
    return header, rows, lines


def share(value: float) -> str:
    return f"{100 * value:.1f} %"
