"""The figures of how good generated images are, as rows of a table and lines of text."""

from __future__ import annotations

from ..evaluation import SampleQuality

__all__ = ["qualities"]


def qualities(q: SampleQuality) -> tuple[list[str], list[list[str]], list[str]]:
    """Returns a header, a row for each figure, and lines on how they are to be read."""
    named = {"samples": q.samples, "reconstructions": q.reconstructions, "real (floor)": q.floor}
    sets = {name: d for name, d in named.items() if d is not None}
    header = ["against test images", *sets]
    rows = [[q.name, *(f"{d.frechet:.2f}" for d in sets.values())]]
    rows.append(["kernel distance", *(f"{d.kernel.mean:.4f} ± {d.kernel.se:.4f}" for d in sets.values())])
    near = {
        name: [d.neighbours for d in sets.values()] for name in ("precision", "recall", "density", "coverage")
    }
    rows += [
        [name, *("–" if n is None else f"{vars(n)[name]:.3f}" for n in found)] for name, found in near.items()
    ]
    lines = [
        f"{q.n:,} images each, {q.shown} of the likelihood, on {q.benchmark}; the floor is of other real images. Seen by "
        f"{q.network}, right in {100 * q.accuracy:.1f} % of validation images"
    ]
    if q.per_second is not None:
        lines.append(f"{q.per_second:,.1f} samples a second on this machine")
    if q.inception is not None:
        i = q.inception
        lines.append(
            f"by Inception: FID {i['fid']:.2f}, KID {i['kid']:.5f} (deviation over subsets {i['kid_std']:.5f})"
        )
    lines += [f"no {name}: {why}" for name, why in q.absent.items()]
    lines += [f"note: {note}" for note in q.notes]
    return header, rows, lines
