"""Draws images of captions from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import out
from .options import Guidance, LatentTemperature, RunPath, Seed, TopK, TopP

if TYPE_CHECKING:
    from ..runs import Run


def generate(
    run: RunPath,
    captions: Annotated[
        list[str], typer.Argument(metavar="CAPTION…", help='captions; "a {red,blue} bus" stands for two')
    ],
    picture: Annotated[
        Path, typer.Option("--out", help="picture to write: .png, .svg or .pdf, or numbers: .npz")
    ] = Path("generated.png"),
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="images of each caption")] = 8,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: LatentTemperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
) -> None:
    """Draws images of captions; those in one column share their noise, so that a changed word shows what it does."""
    from .. import pictures
    from ..data.table_files import write_table
    from ..evaluation import alternatives
    from ..runs import Run

    opened = Run.open(run)
    texts = [text for caption in captions for text in alternatives(caption)]
    tell_unknown(opened, texts)
    how = drawn_how(opened, guidance, temperature, top_k, top_p)
    if picture.suffix == ".npz":
        images = opened.generate(texts, n, seed=seed, **how)
        write_table(picture, {"x": images.cpu().numpy()})
    else:
        note = ", ".join([opened.record["data"]["benchmark"], *said(how)])
        pictures.generations(
            opened.model, opened.vocabulary, texts, n=n, seed=seed, choose=opened.chooser(**how), note=note
        ).save(picture)
    out.print(f"{n * len(texts)} images of {len(texts)} caption{'s' * (len(texts) > 1)}: {picture}")


def canvas(
    run: RunPath,
    caption: Annotated[str | None, typer.Argument(help="caption, for a model that reads captions")] = None,
    picture: Annotated[
        Path, typer.Option("--out", help="picture to write: .png, .svg or .pdf, or an animation: .gif")
    ] = Path("canvas.png"),
    n: Annotated[
        int | None, typer.Option("-n", "--n", min=1, help="images; 4, or 16 of an animation")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Shows the canvas after every step of DRAW, and how much each step hears of each word; .gif lets it move."""
    from .. import pictures
    from ..runs import Run

    opened = Run.open(run)
    vocabulary = None
    if caption is not None:
        tell_unknown(opened, [caption])
        vocabulary = opened.vocabulary
    if picture.suffix == ".gif":
        pictures.Animation.of(opened.model, vocabulary, caption, n=n or 16, seed=seed).save(picture)
    else:
        note = opened.record["data"]["benchmark"]
        pictures.canvases(opened.model, vocabulary, caption, n=n or 4, seed=seed, note=note).save(picture)
    out.print(f"canvas: {picture}")


def drawn_how(
    run: Run, guidance: float | None, temperature: float, top_k: int, top_p: float
) -> dict[str, Any]:
    """Returns how images are drawn, with the guidance that a model has where nobody says how much."""
    from ..evaluation import usual

    run.vocabulary  # noqa: B018  (refuses a model that reads no captions)
    guidance = usual(run.model) if guidance is None else guidance
    return {"guidance": guidance, "temperature": temperature, "top_k": top_k, "top_p": top_p}


def said(how: dict[str, Any]) -> list[str]:
    """Says what is not the model's own."""
    own = {"guidance": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    return [f"{name.replace('_', ' ')} {value:g}" for name, value in how.items() if value != own[name]]


def tell_unknown(run: Run, captions: list[str]) -> None:
    """Names the words that the model does not know, and where there are few, those that it knows."""
    vocabulary = run.vocabulary
    unknown = list(dict.fromkeys(word for caption in captions for word in vocabulary.unknown(caption)))
    longest = run.longest
    cut = [c for c in captions if longest is not None and len(vocabulary.pieces(c)) > longest]
    if cut:
        out.print(f"the model reads {longest} tokens of a caption, not all of {cut[0]!r}", markup=False)
    if len(unknown) > 10:
        unknown = [*unknown[:10], f"{len(unknown) - 10} more"]
    if unknown:
        known = f"; it knows {', '.join(sorted(vocabulary.words[2:]))}" if len(vocabulary) <= 60 else ""
        out.print(
            f"the model does not know {', '.join(map(repr, unknown))}, read as <unk>{known}", markup=False
        )
