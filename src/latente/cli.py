"""The command line. It answers help and mistakes without importing PyTorch.

The options of `latente train RECIPE` are the recipe's own signature and the fields of the settings: there is no
other list of them.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from . import __version__, recipes
from .data.catalogue import SOURCES
from .errors import DataError, LatenteError, RunError
from .settings import Settings, settings

if TYPE_CHECKING:
    from .data import Examples
    from .doctor import Row
    from .evaluation import Classification, Evaluation, SampleQuality
    from .evaluation.diagnosis import Diagnosis
    from .runs import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Trains, judges and explores variational autoencoders of your own data.",
)
training = typer.Typer(
    no_args_is_help=True, help="Trains a recipe on data, in a folder of its own.", rich_markup_mode=None
)
app.add_typer(training, name="train")
OWN = {  # options of pictures that only one kind of data has
    "text": {"between", "word_temperature"},
    "drawings": {"animate", "corners", "drawings", "point_temperature"},
}
STANDARD = {
    "drawings": "kanji",
    "captions": "captions-mnist",
}  # data of recipes that read it; others read digits
OF_CODES = ("activations", "scatter")  # pictures that need no decoder
OF_NOISE = ("samples",)  # pictures that need no encoder
out = Console(soft_wrap=True, highlight=False)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run")]
Picture = Annotated[
    Path,
    typer.Option("--out", help="picture to write: .png, .svg or .pdf; of drawings .png, .svg, .gif or .npz"),
]
Seed = Annotated[int, typer.Option(help="seed of what is drawn")]
PointTemperature = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="spread of each point of a drawing: 0 takes the likeliest, 1 is the model's, 0.1 or 0.4 by default",
    ),
]
Animate = Annotated[
    bool, typer.Option("--animate", help="let a drawing's .svg be drawn line by line, as .gif always is")
]
DrawingsFile = Annotated[
    str | None,
    typer.Option("--drawings", help="drawings of yours, in place of test drawings", show_default=False),
]
Rescale = Annotated[
    bool, typer.Option("--rescale", help="bring them to the size of the moves that the model has learnt")
]
Label = Annotated[str | None, typer.Option(help="class, by name or number, for conditional models")]


def main() -> None:
    """Runs the command line; a mistake of the user's is one sentence and exit status 1, never a stack trace."""
    try:
        app()
    except LatenteError as error:
        complain(str(error))
    except BrokenPipeError:  # before OSError, which it is one of
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        complain(f"{error.filename or 'a file'} cannot be read or written: {error.strerror}")


def complain(message: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"latente: {message}")
    sys.exit(1)


def version(wanted: bool) -> None:
    if wanted:
        out.print(f"latente {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command("recipes")
def list_recipes() -> None:
    """Lists the recipes, a line each."""
    show_table({name: recipes.describe(name) for name in sorted(recipes.RECIPES)})


Side = Annotated[
    int | None,
    typer.Option(
        min=4,
        max=1024,
        help="pixels a side: images of a folder are cropped to the square in their middle and brought to this size",
        show_default=False,
    ),
]
Grey = Annotated[bool, typer.Option("--grey", help="make the images of a folder grey")]


@app.command("data")
def show_data(
    source: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="a set with a name, or a file or folder of yours")
    ] = None,
    side: Side = None,
    grey: Grey = False,
    picture: Annotated[
        Path, typer.Option("--out", help="picture of images beside what a model sees of them")
    ] = Path("preview.png"),
) -> None:
    """Lists the data sets that have a name; or says what one, a file or a folder holds, and shows what a model sees of it."""
    if source is None:
        show_table(SOURCES)
        return
    from . import data, pictures
    from .data.folders import survey
    from .data.loading import holds_images

    folder = Path(source).expanduser()
    if source not in SOURCES and folder.is_dir() and holds_images(folder):
        found = survey(folder)
        for line in found.lines(side, grey):
            out.print(line, markup=False)
        pictures.preview(found.paths, side=side, grey=grey, name=folder.resolve().name).save(picture)
    else:
        loaded = data.load(source, side=side, grey=grey)
        about = loaded.describe()
        out.print(f"{loaded.benchmark}: {about['kind']} of shape {tuple(about['shape'])}", markup=False)
        out.print(", ".join(f"{name} {size:,}" for name, size in about["sizes"].items()))
        if loaded.classes:
            out.print(f"{len(loaded.classes)} classes: {', '.join(loaded.classes[:20])}", markup=False)
        if loaded.note:
            out.print(loaded.note, markup=False)
        if loaded.kind != "images" or loaded.shape[0] not in (1, 3):
            return
        shown = loaded.train.fixed().subset(32).batch(slice(None))[0]
        pictures.grid(shown, f"Images of {loaded.name}", loaded.benchmark).save(picture)
    out.print(f"what a model sees: {picture}")


def show_table(lines: dict[str, str]) -> None:
    width = max(map(len, lines))
    for name, text in lines.items():
        out.print(f"{name:{width}}  {text}", markup=False)


# --------------------------------------------------------------------------------------------------- training


def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Makes an option of the command line of an annotated parameter; `None` stands for "not given"."""
    kind, *notes = typing.get_args(annotation)
    about = next(note for note in notes if isinstance(note, FieldInfo))
    simple = (
        {arg for arg in typing.get_args(kind) if arg is not type(None)}
        if type(None) in typing.get_args(kind)
        else {kind}
    )
    plain = simple.pop() if len(simple) == 1 else str
    if plain not in (int, float, bool, str) and typing.get_origin(plain) is not Literal:
        plain = str
    shown = ",".join(map(str, default)) if isinstance(default, list | tuple) else default
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{about.description}" + ("" if shown in (None, "", False) else f" [default: {shown}]")
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[plain | None, typer.Option(flag, help=help_text, show_default=False)],
    )


def listed(value: Any, annotation: Any) -> Any:
    """Turns "400,200" into a list where the parameter is one."""
    if isinstance(value, str) and holds_a_list(annotation):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def holds_a_list(annotation: Any) -> bool:
    """Tells whether an annotation is a list, or may be one."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return holds_a_list(typing.get_args(annotation)[0])
    return origin in (list, tuple) or (
        origin in (typing.Union, types.UnionType) and any(map(holds_a_list, typing.get_args(annotation)))
    )


def command(name: str) -> None:
    """Adds the training command of a recipe."""
    own = {n: p for n, p in recipes.parameters(name).items() if n not in recipes.FROM_DATA}
    hints = typing.get_type_hints(Settings, include_extras=True)
    defaults = {f.name: recipes.RECIPES[name].settings.get(f.name, f.default) for f in fields(Settings)}

    def run(**given: Any) -> None:
        chosen = {n: v for n, v in given.items() if v is not None}
        arguments = {n: listed(v, own[n].annotation) for n, v in chosen.items() if n in own}
        how = {n: listed(v, hints[n]) for n, v in chosen.items() if n in hints}
        check_early(name, arguments, how)
        train(
            name,
            given["data"],
            given["out"],
            given["label"],
            given["validation"],
            given["test"],
            arguments,
            how,
            fitted={n: given[n] for n in ("side", "grey") if n not in own and given.get(n)},
        )

    fitted = {"side": (Side, None), "grey": (Grey, False)} if not recipes.reads(name) else {}
    data_options = [
        inspect.Parameter(
            "data",
            inspect.Parameter.KEYWORD_ONLY,
            default=None if "of" in own else STANDARD.get(recipes.reads(name), "digits"),
            annotation=Annotated[
                str | None, typer.Option(help=f"{', '.join(SOURCES)}, or a file or folder of yours")
            ],
        ),
        inspect.Parameter(
            "label",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(help="column of a table that holds the labels")],
        ),
        inspect.Parameter(
            "validation",
            inspect.Parameter.KEYWORD_ONLY,
            default=0.1,
            annotation=Annotated[
                float, typer.Option(help="share of rows for validation, where the data does not say")
            ],
        ),
        inspect.Parameter(
            "test",
            inspect.Parameter.KEYWORD_ONLY,
            default=0.1,
            annotation=Annotated[
                float, typer.Option(help="share of rows for the test, where the data does not say")
            ],
        ),
        inspect.Parameter(
            "out",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                Path | None, typer.Option(help="folder of the run; runs/RECIPE-DATA-N by default")
            ],
        ),
    ]
    parameters = [option(n, p.annotation, p.default) for n, p in own.items()]
    parameters += data_options
    parameters += [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for n, (kind, default) in fitted.items()
        if n not in own
    ]
    parameters += [option(n, hints[n], default) for n, default in defaults.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = recipes.describe(name)
    training.command(name)(run)


def check_early(name: str, arguments: dict[str, Any], how: dict[str, Any]) -> None:
    """Finds a wrong argument before PyTorch is imported and data is read; a run to build on is opened later."""
    stands_for: dict[str, Any] = (
        {"of": {"recipe": "vae", "arguments": {"shape": [1, 28, 28]}}} if "of" in arguments else {}
    )
    stands_for |= {n: 2 for n in ("classes", "vocabulary") if n in recipes.parameters(name)}
    recipes.check(name, {"shape": [1, 28, 28], **arguments, **stands_for})
    settings(**how)


for _name in sorted(recipes.RECIPES):
    command(_name)


def free_folder(recipe: str, data: str) -> Path:
    """Names a folder by the recipe and by its data, or the run that it builds on."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise RunError("several processes must agree on the folder of their run: name it with --out")
    stem = f"{recipe}-{Path(data).name.split('.')[0] or 'data'}"
    return next(path for i in range(1, sys.maxsize) if not (path := Path("runs") / f"{stem}-{i}").exists())


def train(
    recipe: str,
    data: str | None,
    folder: Path | None,
    label: str | None,
    validation: float,
    test: float,
    arguments: dict[str, Any],
    how: dict[str, Any],
    fitted: dict[str, Any] | None = None,
) -> Run:
    from . import runs

    folder = folder or free_folder(recipe, data or arguments.get("of", ""))
    run = runs.train(
        recipe,
        data,
        folder,
        arguments=arguments,
        label=label,
        validation=validation,
        test=test,
        progress=True,
        begun=show_folder,
        **(fitted or {}),
        **how,
    )
    finish(run)
    return run


def show_folder(run: Run) -> None:
    """Shows, before training, what a model sees of a folder of the user's images; without matplotlib that is left out."""
    from . import pictures

    shown = pictures.preview_of(run.record["data"])
    if shown is None:
        return
    try:
        picture = shown().save(run.path / "preview.png")
    except LatenteError:
        return
    out.print(f"what the model sees of the images: {picture}", markup=False)


def finish(run: Run) -> None:
    """Says where the run is and what came out in validation, once for all processes."""
    if int(os.environ.get("RANK", 0)) > 0:
        return
    from .models import GAN
    from .training.logs import best_validation

    lines = [line for line in run.metrics() if "loss" in line]
    if not any(line["loss"] for line in lines):  # nothing was judged, and the newest weights are kept
        lines = lines[-1:]
    if isinstance(run.model, GAN):
        out.print(
            f"energy distance {lines[-1]['energy distance']:.4g} between samples and validation data: no loss tells which "
            f"weights of a GAN are best, and the newest are kept, step {lines[-1]['step']}"
        )
        out.print(f"the run is in {run.path}; next: latente sample {run.path}")
        return
    best = best_validation(lines) or lines[-1]
    parts = " + ".join(f"{n} {v:.2f}" for n, v in best.items() if n == "distortion" or n.startswith("rate/"))
    shown = f" ({parts})" if parts else f" (error {100 * best['error']:.2f} %)" if "error" in best else ""
    unit = "nats a point of the longest drawing" if run.data.kind == "drawings" else "nats"
    out.print(
        f"best validation loss {best['loss']:.2f} {unit} at step {best['step']}{shown} on {run.data.benchmark}"
    )
    if run.data.kind == "text":
        out.print(run.data.census())
    if run.data.note:
        out.print(f"{run.data.name}: {run.data.note}", markup=False)
    out.print(f"the run is in {run.path}; next: latente report {run.path}")


@app.command()
def resume(
    run: RunPath,
    steps: Annotated[
        int | None, typer.Option(min=1, help="a new number of steps, to go on beyond the end")
    ] = None,
) -> None:
    """Goes on with a run from its newest good checkpoint, to the same end as if it had never stopped."""
    from . import runs

    finish(runs.resume(run, steps=steps, progress=True))


# -------------------------------------------------------------------------------------------------- evaluation


@app.command()
def evaluate(
    run: RunPath,
    k: Annotated[
        int | None,
        typer.Option(
            min=1, help="draws an example of the importance-weighted bound; 1000, or fewer for slow decoders"
        ),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=2, help="held-out examples; 1000, or all for a classifier")
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="which split is held out")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measures a model on held-out data and says what it learned, what is wrong and what to try."""
    from .runs import Run

    opened = Run.open(run)
    found = opened.evaluate(k=k, examples=examples, split=split)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        show_evaluation(opened, found)


def show_evaluation(run: Run, found: Evaluation | Classification | Diagnosis) -> None:
    from .evaluation.diagnosis import Diagnosis
    from .report import figures, try_next

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for figure in figures(found):
        table.add_row(figure.name, figure.value)
    for name, why in found.absent.items():
        table.add_row(name.replace("_", " "), f"none: {why}")
    of = found.evaluation if isinstance(found, Diagnosis) else found
    out.print(f"{run.title}, {of.examples} {of.split} examples")
    out.print(table)
    out.print(f"\n{found.verdict}", markup=False)
    for finding in found.findings:
        out.print(f"\n{finding.name} ({finding.sure}): {finding.evidence} {finding.advice}", markup=False)
        if command := try_next(run, finding):
            out.print(f"  {command}", markup=False)


@app.command()
def diagnose(
    run: RunPath,
    examples: Annotated[int, typer.Option(min=10, help="held-out examples whose posterior is refined")] = 200,
    try_them: Annotated[
        bool, typer.Option("--try", help="Train the run anew for a while, with the few best remedies.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="steps of each remedy that is tried")] = 1500,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Says why a code is as it is, how sure that is, and what to try; --try tries it."""
    from . import doctor
    from .runs import Run

    opened = Run.open(run)
    found = doctor.diagnose(opened, examples=examples)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        show_evaluation(opened, found)
    if try_them:
        out.print(f"\nremedies, {steps} steps each, in {opened.path / 'remedies'}:")
        changes = doctor.remedies(opened, found)
        show_rows(list(doctor.try_remedies(opened, changes, steps=steps, progress=True)))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="folders of runs")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Lays the figures of runs side by side; what was not evaluated yet is."""
    from dataclasses import asdict

    from . import doctor
    from .runs import Run

    rows = doctor.compare([Run.open(path) for path in runs])
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show_rows(rows)


def show_rows(rows: list[Row]) -> None:
    def text(value: float | None, digits: int = 2) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "−ELBO", "−log p(x)", "rate", "I(x; z) ≥", "active", "shuffled", "AUC", "problem"):
        table.add_column(name, justify="left" if name in ("run", "problem") else "right")
    for row in rows:
        active = "–" if row.active is None else f"{row.active[0]} of {row.active[1]}"
        figures = [
            text(row.elbo),
            text(row.nll),
            text(row.rate),
            text(row.information),
            active,
            text(row.shuffled),
        ]
        table.add_row(row.name, *figures, text(row.auc, 3), row.problem)
    out.print(table)
    benchmarks = sorted({row.benchmark for row in rows})
    if len(benchmarks) > 1:
        out.print(f"these are of different benchmarks, whose figures do not compare: {'; '.join(benchmarks)}")


@app.command()
def report(
    run: RunPath, file: Annotated[Path | None, typer.Option("--out", help="page to write")] = None
) -> None:
    """Writes one self-contained page: verdict, curves, pictures, figures, how to reproduce."""
    from . import report as page
    from .runs import Run

    out.print(f"report: {page.write(Run.open(run), file)}")


# ---------------------------------------------------------------------------------------------------- pictures


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def temperatures(
    run: RunPath,
    picture: Picture = Path("temperatures.png"),
    rows: Annotated[int, typer.Option(min=1)] = 4,
    seed: Seed = 0,
    animate: Animate = False,
) -> None:
    """Draws the same codes at temperatures from 0.1 to 1."""
    draw("temperatures", run, picture, rows=rows, seed=seed, **given(animate=animate))


@app.command()
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


@app.command()
def traverse(
    run: RunPath,
    picture: Picture = Path("traversals.png"),
    rows: Annotated[int, typer.Option(min=1)] = 10,
    seed: Seed = 0,
    label: Label = None,
) -> None:
    """Moves one latent at a time, the most active first."""
    draw("traversals", run, picture, rows=rows, seed=seed, label=label)


@app.command()
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


@app.command()
def manifold(
    run: RunPath,
    picture: Picture = Path("manifold.png"),
    n: Annotated[int, typer.Option("-n", min=2, max=100, help="examples a side")] = 20,
    label: Label = None,
) -> None:
    """Decodes a grid of the prior's quantiles in two dimensions, as Kingma and Welling did."""
    draw("manifold", run, picture, n=n, label=label)


@app.command()
def scatter(run: RunPath, picture: Picture = Path("scatter.png"), seed: Seed = 0) -> None:
    """Shows the codes of held-out examples in two dimensions, coloured by label."""
    draw("scatter", run, picture, seed=seed)


@app.command()
def boundary(
    run: RunPath,
    picture: Picture = Path("boundary.png"),
    n: Annotated[int, typer.Option("-n", min=0, help="examples to draw of the model")] = 200,
    seed: Seed = 0,
) -> None:
    """Shows P(y|x) beside P(x, y) over the two columns of a table: telling apart, and knowing where things are."""
    draw("boundary", run, picture, n=n, seed=seed)


@app.command()
def filters(
    run: RunPath,
    picture: Picture = Path("filters.png"),
    n: Annotated[int, typer.Option("-n", min=1, help="units to show")] = 48,
    shared: Annotated[bool, typer.Option("--shared", help="one scale of colours for all units")] = False,
) -> None:
    """Shows the weights between pixels and units as images, the largest first."""
    draw("filters", run, picture, n=n, shared=shared)


@app.command()
def denoise(
    run: RunPath,
    picture: Picture = Path("denoised.png"),
    n: Annotated[int, typer.Option("-n", min=1)] = 10,
    seed: Seed = 0,
) -> None:
    """Corrupts held-out examples as in training, and shows what the model restores."""
    from . import pictures
    from .runs import Run

    corrupt = pictures.corruption(Run.open(run).objective)
    if corrupt is None:
        raise RunError(
            f"{run} was trained on clean examples, so it restores none: train one by latente train denoising"
        )
    draw("denoised", run, picture, corrupt=corrupt, n=n, seed=seed)


@app.command()
def activations(run: RunPath, picture: Picture = Path("activations.png"), seed: Seed = 0) -> None:
    """Shows how many units of the code an example wakes, and how many are dead."""
    draw("activations", run, picture, seed=seed)


@app.command()
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
    from . import pictures
    from .runs import Run

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


@app.command()
def chains(
    run: RunPath,
    picture: Picture = Path("chains.png"),
    n: Annotated[int, typer.Option("-n", min=1, help="chains from examples, and as many from noise")] = 6,
    seed: Seed = 0,
) -> None:
    """Runs the Gibbs chains of a Boltzmann machine from held-out examples and from noise."""
    draw("chains", run, picture, n=n, seed=seed)


def draw(kind: str, run: Path, picture: Path, **how: Any) -> None:
    from . import pictures
    from .runs import Run

    opened = Run.open(run)
    if kind not in OF_CODES:
        needs_decoder(opened, kind)
    if kind not in OF_NOISE:
        needs_encoder(opened, kind)
    trained_on = opened.data.kind
    own = {"text": pictures.texts, "drawings": pictures.sketches}.get(trained_on, pictures)
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
    from .data import read
    from .runs import Run

    about = Run.open(run).record["data"]
    return read(source, like={**about, "location": None} if rescale else about).x


# ----------------------------------------------------------------------------------------------- codes and scores


DataFile = Annotated[
    str, typer.Option("--data", help="file, folder or data set with examples like those of the run")
]


@app.command()
def encode(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("codes.parquet"),
) -> None:
    """Writes the posterior mean and standard deviation of each example."""
    from . import codes
    from .runs import Run

    opened = Run.open(run)
    needs_encoder(opened, "codes")
    examples = read_like(opened, data)
    codes.write_table(file, codes.encode(opened.model, examples))
    out.print(f"codes of {len(examples)} examples: {file}")


@app.command()
def decode(
    run: RunPath,
    table: Annotated[
        Path,
        typer.Option("--codes", help="what latente encode wrote, or a table with its columns z_0, z_1, …"),
    ],
    file: Annotated[
        Path,
        typer.Option(
            "--out",
            help=".npz; .csv or .parquet for tables; .png for images; .txt for sentences; .svg, .png or .gif for drawings",
        ),
    ] = Path("decoded.npz"),
) -> None:
    """Decodes a table of codes to the likelihood's means, or to the likeliest words or drawings."""
    from . import codes
    from .runs import Run

    opened = Run.open(run)
    needs_decoder(opened, "decoded codes")
    x = codes.decode(opened.model, codes.read_table(table), opened.data)
    if file.suffix == ".txt" and opened.data.kind == "text":
        file.write_text("\n".join([*opened.data.sentences(x), ""]))
    elif opened.data.kind == "drawings":
        from . import pictures

        shown = [pictures.Drawing(rows) for rows in x.numpy()]
        pictures.Sheet(
            "Decoded", f"{opened.title}, {table}", [shown[i : i + 10] for i in range(0, len(shown), 10)]
        ).save(file)
    elif file.suffix == ".png":
        from . import pictures

        pictures.grid(x).save(file)
    elif file.suffix == ".npz":
        codes.write_table(file, {"x": x.numpy()})
    else:
        names = opened.data.columns or [f"x_{j}" for j in range(x[0].numel())]
        codes.write_table(file, dict(zip(names, x.flatten(1).numpy().T)))
    out.print(f"{len(x)} decoded examples: {file}")


@app.command()
def score(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("scores.csv"),
    draws: Annotated[
        int, typer.Option(min=1, help="draws an example of the importance-weighted bound")
    ] = 100,
) -> None:
    """Writes the bounds of each example, in nats; of a classifier the probabilities of the classes."""
    from . import codes
    from .models import Classifier
    from .runs import Run

    opened = Run.open(run)
    examples = read_like(opened, data)
    if isinstance(opened.model, Classifier):
        codes.write_table(file, codes.classify(opened.model, examples, opened.record["data"]["classes"]))
    else:
        codes.write_table(file, codes.score(opened.model, examples, draws))
    out.print(f"scores of {len(examples)} examples: {file}")


@app.command("classify")
def tell_classes(
    run: RunPath,
    draws: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="draws an example and class of the bounds that Bayes' rule reads; 0 for q(y|x), the default of models that "
            "have one; 30 for others",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="examples of yours to classify, in place of held-out ones", show_default=False),
    ] = None,
    file: Annotated[Path, typer.Option("--out", help="with --data: .parquet, .csv or .npz to write")] = Path(
        "classes.csv"
    ),
    examples: Annotated[
        int | None,
        typer.Option(min=2, help="held-out examples; all, or 1000 with --draws", show_default=False),
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="which split is held out")] = "test",
    seed: Seed = 0,
) -> None:
    """Tells the class of each example, by q(y|x) or by Bayes' rule, and how often that errs on held-out ones."""
    from . import codes
    from .runs import Run

    opened = Run.open(run)
    classes, draws = opened.record["data"]["classes"], drawn_to_classify(opened, draws)
    if data is not None:
        table = codes.classify(opened.model, read_like(opened, data), classes, draws, seed)
        codes.write_table(file, table)
        out.print(f"classes of {len(table['class'])} examples: {file}")
        return
    opened.needs_examples()
    held = (opened.data.test if split == "test" else opened.data.validation).fixed()
    if held.y is None:
        raise DataError(f"{opened.data.name} has no labels, so nothing tells whether a class is right")
    held = held.subset(examples or (1000 if draws else len(held)), opened.settings.seed)
    assert held.y is not None
    taken = codes.classify(opened.model, held, classes, draws, seed)["class"]
    show_confusion(held.y.cpu().tolist(), taken.tolist(), classes)
    wrong = sum(a != b for a, b in zip(held.y.tolist(), taken.tolist())) / len(taken)
    se = (wrong * (1 - wrong) / len(taken)) ** 0.5
    how = f"Bayes' rule, {draws} draws an example and class" if draws else "q(y|x)"
    out.print(f"error {100 * wrong:.2f} ± {100 * se:.2f} % on {len(taken):,} {split} examples, by {how}")


def drawn_to_classify(run: Run, draws: int | None) -> int:
    """Returns the draws by which a run tells classes, and refuses one that neither infers labels nor takes them."""
    from .models import Classifier, Labelling
    from .pictures.codes import is_conditional

    infers = isinstance(run.model, Classifier | Labelling)
    if isinstance(run.model, Classifier) and draws:
        raise RunError(
            f"draws is {draws}, but {run.path} is a classifier, which bounds no likelihood: leave it out"
        )
    if not infers:
        of_classes = len(run.record["data"]["classes"]) > 1 and recipes.reads(run.record["recipe"]) == ""
        if not of_classes or not is_conditional(run.model, run.data.test.batch(slice(0, 1))[0]):
            raise RunError(
                f"{run.path} neither infers labels nor takes them: train m2, classifier, or conditional-vae"
            )
        if draws == 0:
            raise RunError(f"draws is 0, but {run.path} has no q(y|x): Bayes' rule takes 1 or more")
    return (0 if infers else 30) if draws is None else draws


def show_confusion(y: list[int], taken: list[int], classes: list[str]) -> None:
    """Prints how many of each class, a row, are taken for each, a column; of many classes the worst ones only."""
    from collections import Counter

    from rich.markup import escape

    counts = Counter(zip(y, taken))
    missed = Counter(a for a, b in zip(y, taken) if a != b)
    shown = sorted(sorted(range(len(classes)), key=lambda k: -missed[k])[:20])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", *(classes[k] for k in shown)):
        table.add_column(escape(name), justify="right")
    for a in shown:
        table.add_row(escape(classes[a]), *(str(counts[a, b] or "·") for b in shown))
    out.print(table)


def needs_decoder(run: Run, what: str) -> None:
    """Refuses a classifier, which tells labels and gives back no examples."""
    from .models import Classifier

    if isinstance(run.model, Classifier):
        raise RunError(
            f"{run.path} is a classifier and has no decoder, so there are no {what}: see latente evaluate, report and scatter"
        )


def needs_encoder(run: Run, what: str) -> None:
    """Refuses what makes examples of noise, and reads no code off any."""
    from .models import GAN, Diffusion

    if isinstance(run.model, GAN | Diffusion):
        kind = "GAN" if isinstance(run.model, GAN) else "diffusion"
        raise RunError(
            f"{run.path} is a {kind}, which makes examples of noise and has no code of them, so there are no {what}: "
            "see latente sample"
        )


def read_like(run: Run, source: str) -> Examples:
    """Reads examples as the run saw its own, and refuses those that its model cannot take, e.g. without labels."""
    from .data import read

    about = run.record["data"]
    examples = read(source, about["label"] if about["columns"] else None, about)
    try:
        run.model(*examples.batch(slice(0, 1)))
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
    return examples


# ---------------------------------------------------------------------------------------------------- captions


Guidance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="how far written codes are pushed towards the caption: 1 is the model's own; 2 by default, where it can be guided",
        show_default=False,
    ),
]
LatentTemperature = Annotated[
    float, typer.Option(min=0, help="spread of what is drawn: 1 is the model's own, 0 the likeliest")
]
TopK = Annotated[int, typer.Option(min=0, help="how many of the likeliest codes are left in; 0 for all")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="mass of the likeliest codes that are left in")]


@app.command("generate")
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
    from . import codes, pictures
    from .evaluation import alternatives
    from .runs import Run

    opened = Run.open(run)
    texts = [text for caption in captions for text in alternatives(caption)]
    tell_unknown(opened, texts)
    how = drawn_how(opened, guidance, temperature, top_k, top_p)
    if picture.suffix == ".npz":
        images = opened.generate(texts, n, seed=seed, **how)
        codes.write_table(picture, {"x": images.cpu().numpy()})
    else:
        note = ", ".join([opened.record["data"]["benchmark"], *said(how)])
        pictures.generations(
            opened.model, opened.vocabulary, texts, n=n, seed=seed, choose=opened.chooser(**how), note=note
        ).save(picture)
    out.print(f"{n * len(texts)} images of {len(texts)} caption{'s' * (len(texts) > 1)}: {picture}")


@app.command("canvas")
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
    from . import pictures
    from .runs import Run

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


@app.command("fidelity")
def fidelity(
    run: RunPath,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--n",
            min=10,
            help="images that are generated; 1000 of captions, else 2000, or as many as the test split has",
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=2, help="images among which each caption is to find its own")
    ] = 100,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: LatentTemperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    fid: Annotated[
        bool, typer.Option("--fid", help="FID and KID by Inception too, whose weights you must have")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measures how far generated images are from real ones; of captions, whether images show what they say."""
    from .runs import Run

    opened = Run.open(run)
    tell = Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print
    if recipes.reads(opened.record["recipe"]) != "captions":
        needs_decoder(opened, "generated images")
        quality = opened.quality(n=n, seed=seed, fid=fid, say=tell)
        if as_json:
            print(json.dumps(quality.to_json(), indent=1))
        else:
            show_quality(quality)
        return
    if fid:
        raise RunError(
            f"{run} draws images of captions, which are read and not held against Inception: leave --fid out"
        )
    how = drawn_how(opened, guidance, temperature, top_k, top_p)
    found = opened.fidelity(
        n=n or 1000, candidates=candidates, seed=seed, how=", ".join(said(how)), say=tell, **how
    )
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
        return
    from .report import readings

    header, rows, others = readings(found)
    if rows:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in header:
            table.add_column(name, justify="left" if name == header[0] else "right")
        for row in rows:
            table.add_row(*row)
        out.print(table)
    for line in others:
        out.print(line, markup=False)


def show_quality(found: SampleQuality) -> None:
    from .report import qualities

    header, rows, lines = qualities(found)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, justify="left" if name == header[0] else "right")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    for line in lines:
        out.print(line, markup=False)


def drawn_how(
    run: Run, guidance: float | None, temperature: float, top_k: int, top_p: float
) -> dict[str, Any]:
    """Returns how images are drawn, with the guidance that a model has where nobody says how much."""
    from .evaluation import usual

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


# ---------------------------------------------------------------------------------------------------- drawings


@app.command("drawings")
def convert(
    data: Annotated[str, typer.Argument(help="SVG files, .ndjson, .npz, or a set with a name")],
    file: Annotated[Path, typer.Option("--out", help=".npz to write")] = Path("drawings.npz"),
    longest: Annotated[
        int, typer.Option(min=2, help="points of a drawing; longer ones are simplified")
    ] = 250,
    tolerance: Annotated[
        float, typer.Option(min=0, help="how far a simplified line may be off, in the drawings' units")
    ] = 0,
    bad: Annotated[
        Literal["drop", "refuse"],
        typer.Option(help="what to do with drawings from which nothing can be learnt"),
    ] = "drop",
    validation: Annotated[
        float, typer.Option(help="share for validation, where the data does not say")
    ] = 0.1,
    test: Annotated[float, typer.Option(help="share for the test, where the data does not say")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="seed of the split")] = 0,
) -> None:
    """Reads drawings, simplifies, splits and counts them, and writes them as an .npz without a pickle."""
    from .data import convert as write

    out.print(write(data, file, longest, tolerance, bad, validation, test, seed), markup=False)


@app.command("import-magenta")
def import_magenta(
    file: Annotated[Path, typer.Argument(help="weights of sketch-rnn-js, e.g. sheep.gen.json")],
    folder: Annotated[Path, typer.Option("--out", help="folder of the run to make")],
) -> None:
    """Makes a run of Magenta's weights, to sample from and to complete drawings with."""
    from .magenta import import_run

    run = import_run(file, folder)
    out.print(f"the run is in {run.path}; next: latente sample {run.path}")


@app.command("export-magenta")
def export_magenta(
    run: RunPath, file: Annotated[Path, typer.Option("--out", help=".json to write")] = Path("sketch.json")
) -> None:
    """Writes a sketch-rnn of LSTMs as weights that sketch-rnn-js loads."""
    from .magenta import export_run
    from .runs import Run

    opened = Run.open(run)
    out.print(f"weights: {export_run(opened, file)}")
    if opened.record["arguments"].get("start") != "zeros":
        out.print(
            "sketch-rnn-js reads zeros before the first point: a run with --start zeros is what it expects"
        )


# -------------------------------------------------------------------------------------------------------- demo


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="folder of the run")] = Path("runs/demo"),
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 3000,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; the cores that are free by default")
    ] = None,
) -> None:
    """Trains a VAE on real digits, judges it and writes its report: about two minutes on two cores."""
    import shutil

    if folder == Path("runs/demo"):
        shutil.rmtree(folder, ignore_errors=True)
    run = train(
        "vae", "digits", folder, None, 0.1, 0.1, {"latent": 10}, {"steps": steps, "evaluate_every": 250}
    )
    show_evaluation(run, run.evaluate())
    report(folder, None)


if __name__ == "__main__":
    main()
