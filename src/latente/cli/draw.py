"""Draws a run's pictures from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import RunError
from .app import out
from .options import Animate, DrawingsFile, Label, Picture, PointTemperature, Rescale, RunPath, Seed
from .tables import needs_decoder, needs_encoder

OWN = {  # options of pictures that only one kind of data has
    "text": {"between", "word_temperature"},
    "drawings": {"animate", "corners", "drawings", "point_temperature"},
}
OF_CODES = ("activations", "scatter")  # pictures that need no decoder
OF_NOISE = ("samples",)  # pictures that need no encoder


def sample(
    run: RunPath,
    picture: Picture = Path("samples.png"),
    n: Annotated[int, typer.Option("-n", min=1, max=10000, help="how many")] = 64,
    seed: Seed = 0,
    label: Label = None,
    temperature: Annotated[
        str,
        typer.Option(
            metavar="NUMBER[,…]",
            help="factor on the prior's spread; below 1 is nearer its mean; as 1,1,0.7 one for each latent group",
        ),
    ] = "1",
    word_temperature: Annotated[
        float | None,
        typer.Option(
            min=0, help="spread of each word of a sentence; 0 takes the likeliest, 1 is the model's"
        ),
    ] = None,
    point_temperature: PointTemperature = None,
    animate: Animate = False,
) -> None:
    """Draws from the prior and decodes; sentences are printed, or written to a .txt file."""
    own = given(word_temperature=word_temperature, point_temperature=point_temperature, animate=animate)
    how = factors(temperature)
    draw("samples", run, picture, n=n, seed=seed, label=label, temperature=how, **own)


def factors(text: str) -> float | list[float]:
    """Reads one number, or several with commas between."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise RunError(
            f"temperature is {text!r}: give a number such as 0.7, or one for each group as 1,0.7"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def reconstruct(
    run: RunPath,
    picture: Picture = Path("reconstructions.png"),
    n: Annotated[int, typer.Option("-n", min=1)] = 10,
    seed: Seed = 0,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    point_temperature: PointTemperature = None,
    animate: Animate = False,
) -> None:
    """Shows held-out examples, their mean reconstructions and sampled ones."""
    own = given(
        drawings=drawings_of(run, drawings, rescale), point_temperature=point_temperature, animate=animate
    )
    draw("reconstructions", run, picture, n=n, seed=seed, **own)


def interpolate(
    run: RunPath,
    picture: Picture = Path("interpolations.png"),
    rows: Annotated[int, typer.Option(min=1)] = 6,
    seed: Seed = 0,
    between: Annotated[list[str], typer.Option(help="a sentence of yours; give two")] = [],  # noqa: B006
    corners: Annotated[
        bool, typer.Option("--corners", help="of drawings: fill the square between four")
    ] = False,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    point_temperature: PointTemperature = None,
    animate: Animate = False,
) -> None:
    """Walks between the codes of held-out examples, or of two sentences, or of drawings of yours."""
    own = given(
        between=between or None, corners=corners, point_temperature=point_temperature, animate=animate
    )
    own |= given(drawings=drawings_of(run, drawings, rescale))
    draw("interpolations", run, picture, rows=rows, seed=seed, **own)


def complete(
    run: RunPath,
    picture: Picture = Path("completions.png"),
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    endings: Annotated[int, typer.Option(min=1, help="endings of each drawing")] = 7,
    n: Annotated[int, typer.Option("-n", min=1, help="the most drawings to go on with")] = 5,
    keep: Annotated[
        float | None,
        typer.Option(help="share of points to keep; half of test drawings, all of yours by default"),
    ] = None,
    seed: Seed = 0,
    point_temperature: PointTemperature = None,
    animate: Animate = False,
) -> None:
    """Goes on with drawings that you or held-out examples began, several times each."""
    own = given(
        drawings=drawings_of(run, drawings, rescale), point_temperature=point_temperature, animate=animate
    )
    draw("completions", run, picture, n=n, endings=endings, seed=seed, **own, **given(keep=keep))


def temperatures(
    run: RunPath,
    picture: Picture = Path("temperatures.png"),
    rows: Annotated[int, typer.Option(min=1)] = 4,
    seed: Seed = 0,
    animate: Animate = False,
) -> None:
    """Draws the same codes at temperatures from 0.1 to 1."""
    draw("temperatures", run, picture, rows=rows, seed=seed, **given(animate=animate))


def analogy(
    run: RunPath,
    picture: Picture = Path("analogies.png"),
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    rows: Annotated[int, typer.Option(min=1, help="threes of drawings")] = 4,
    seed: Seed = 0,
    point_temperature: PointTemperature = None,
    animate: Animate = False,
) -> None:
    """Draws a + b − c of the codes of three drawings: what makes b of c is done to a."""
    own = given(
        drawings=drawings_of(run, drawings, rescale), point_temperature=point_temperature, animate=animate
    )
    draw("analogy", run, picture, rows=rows, seed=seed, **own)


def traverse(
    run: RunPath,
    picture: Picture = Path("traversals.png"),
    rows: Annotated[int, typer.Option(min=1)] = 10,
    seed: Seed = 0,
    label: Label = None,
) -> None:
    """Moves one latent at a time, the most active first."""
    draw("traversals", run, picture, rows=rows, seed=seed, label=label)


def levels(
    run: RunPath,
    picture: Picture = Path("levels.png"),
    n: Annotated[int, typer.Option("-n", min=1)] = 10,
    anew: Annotated[
        Literal["last", "first"],
        typer.Option(help="draw the last groups of each example from the prior, or the first ones"),
    ] = "last",
    seed: Seed = 0,
) -> None:
    """Draws ever more of the latent groups of held-out examples anew: what each level of a hierarchy decides."""
    draw("levels", run, picture, n=n, anew=anew, seed=seed)


def manifold(
    run: RunPath,
    picture: Picture = Path("manifold.png"),
    n: Annotated[int, typer.Option("-n", min=2, max=100, help="examples a side")] = 20,
    label: Label = None,
) -> None:
    """Decodes a grid of the prior's quantiles in two dimensions, as Kingma and Welling did."""
    draw("manifold", run, picture, n=n, label=label)


def scatter(run: RunPath, picture: Picture = Path("scatter.png"), seed: Seed = 0) -> None:
    """Shows the codes of held-out examples in two dimensions, coloured by label."""
    draw("scatter", run, picture, seed=seed)


def boundary(
    run: RunPath,
    picture: Picture = Path("boundary.png"),
    n: Annotated[int, typer.Option("-n", min=0, help="examples to draw of the model")] = 200,
    seed: Seed = 0,
) -> None:
    """Shows P(y|x) beside P(x, y) over the two columns of a table: telling apart, and knowing where things are."""
    draw("boundary", run, picture, n=n, seed=seed)


def filters(
    run: RunPath,
    picture: Picture = Path("filters.png"),
    n: Annotated[int, typer.Option("-n", min=1, help="units to show")] = 48,
    shared: Annotated[bool, typer.Option("--shared", help="one scale of colours for all units")] = False,
) -> None:
    """Shows the weights between pixels and units as images, the largest first."""
    draw("filters", run, picture, n=n, shared=shared)


def denoise(
    run: RunPath,
    picture: Picture = Path("denoised.png"),
    n: Annotated[int, typer.Option("-n", min=1)] = 10,
    seed: Seed = 0,
) -> None:
    """Corrupts held-out examples as in training, and shows what the model restores."""
    from .. import pictures
    from ..runs import Run

    corrupt = pictures.corruption(Run.open(run).objective)
    if corrupt is None:
        raise RunError(
            f"{run} was trained on clean examples, so it restores none: train one by latente train denoising"
        )
    draw("denoised", run, picture, corrupt=corrupt, n=n, seed=seed)


def activations(run: RunPath, picture: Picture = Path("activations.png"), seed: Seed = 0) -> None:
    """Shows how many units of the code an example wakes, and how many are dead."""
    draw("activations", run, picture, seed=seed)


def spectrum(
    run: RunPath,
    picture: Picture = Path("spectrum.png"),
    beside: Annotated[
        list[Path],
        typer.Option(metavar="RUN", help="a run on the same data to compare with", show_default=False),
    ] = [],  # noqa: B006
    seed: Seed = 0,
) -> None:
    """Shows the singular values of the encoder's Jacobian: how many directions the code follows."""
    from .. import pictures
    from ..runs import Run

    opened = Run.open(run)
    others = {str(path): Run.open(path) for path in beside}
    for each in (opened, *others.values()):
        needs_encoder(each, "spectra")
    for name, other in others.items():
        if other.record["data"]["shape"] != opened.record["data"]["shape"]:
            raise RunError(f"{name} has examples of another shape than {run}: compare runs on the same data")
    models = {name: other.model for name, other in {str(run): opened, **others}.items()}
    pictures.spectrum(models if beside else opened.model, opened.data, seed=seed).save(picture)
    out.print(f"spectrum: {picture}")


def chains(
    run: RunPath,
    picture: Picture = Path("chains.png"),
    n: Annotated[int, typer.Option("-n", min=1, help="chains from examples, and as many from noise")] = 6,
    seed: Seed = 0,
) -> None:
    """Runs the Gibbs chains of a Boltzmann machine from held-out examples and from noise."""
    draw("chains", run, picture, n=n, seed=seed)


def draw(kind: str, run: Path, picture: Path, **how: Any) -> None:
    from .. import pictures
    from ..runs import Run

    opened = Run.open(run)
    if kind not in OF_CODES:
        needs_decoder(opened, kind)
    if kind not in OF_NOISE:
        needs_encoder(opened, kind)
    trained_on = opened.data.kind.name
    own = opened.data.kind.shows() or pictures
    draws = own if kind in own.__all__ else pictures
    for of, options in OWN.items():
        if trained_on != of and (odd := how.keys() & options):
            what = "sentences" if of == "text" else of
            raise RunError(
                f"--{min(odd).replace('_', '-')} is of {what}, and {run} was trained on {trained_on}"
            )
    if trained_on != "drawings" and kind in ("analogy", "completions", "temperatures"):
        raise RunError(
            f"{'analogies' if kind == 'analogy' else kind} are of drawings, and {run} was trained on {trained_on}: "
            "see latente train sketch-rnn"
        )
    if draws is not pictures and not isinstance(how.get("temperature", 1.0), float | int):
        raise RunError(f"temperature is a list, and {run} was trained on {trained_on}: give one number")
    animate = how.pop("animate", False)
    shown = getattr(draws, kind)(opened.model, opened.data, **how)
    if isinstance(shown, pictures.Lines) and picture.suffix != ".txt":
        out.print(str(shown), markup=False)
    else:
        shown.save(picture, **given(animate=animate))
        out.print(f"{kind}: {picture}")


def given(**options: Any) -> dict[str, Any]:
    """Leaves out the options that nobody gave."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def drawings_of(run: Path, source: str | None, rescale: bool) -> Any:
    """Reads drawings of the user's as a run saw its own, or scaled by their own moves; None where there are none."""
    if source is None:
        if rescale:
            raise RunError("--rescale is of drawings of yours: name them with --drawings")
        return None
    from ..data import read
    from ..runs import Run

    about = Run.open(run).record["data"]
    return read(source, like={**about, "location": None} if rescale else about).x
