"""The command line as a user meets it: each command on a real run, and each mistake answered in a sentence."""

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer
from PIL import Image
from pydantic import Field
from typer.testing import CliRunner

from latente import cli
from latente.cli.options import option
from latente.cli.train import free_folder
from latente.data.table_files import read_table
from latente.report.commands import option as as_words
from latente.runs import Run

SMALL = ["--hidden", "32", "--latent", "3", "--steps", "60", "--evaluate-every", "20", "--threads", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    command = [
        sys.executable,
        "-m",
        "latente.cli",
        "train",
        "vae",
        "--data",
        "digits",
        *SMALL,
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"next: latente report {folder}" in done.stdout
    return folder


@pytest.fixture(scope="module")
def new_digits(tmp_path_factory):
    """A file of digits like those of the run, with labels."""
    from latente import data

    digits = data.load("digits").test.subset(12)
    file = tmp_path_factory.mktemp("new") / "new.npz"
    np.savez(file, x=digits.x.numpy(), y=digits.y.numpy())
    np.savez(
        file.with_name("binary.npz"), x=255 * (digits.x.numpy() > 127).astype(np.uint8), y=digits.y.numpy()
    )
    return file


@pytest.mark.parametrize(
    ("default", "typed", "taken"), [(True, "--no-deep-net", False), (False, "--deep-net", True)]
)
def test_a_flag_can_be_switched_against_its_default(default, typed, taken):
    seen = []
    parameter = option("deep_net", Annotated[bool, Field(description="deep")], default)

    def command(**given):
        seen.append(given["deep_net"])

    command.__signature__ = inspect.Signature([parameter])
    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app, [typed]).exit_code == 0 and seen == [taken]
    assert as_words("deep_net", taken) == [typed]


def test_a_run_with_a_validation_that_is_not_finite_ends_in_a_sentence(latente, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    lines = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    first = next(line for line in lines if line["split"] == "validation")
    first["loss"] = first["distortion"] = None
    (copy / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, out, _ = latente("resume", copy)
    assert status == 0 and "best validation loss" in out
    status, out, err = latente("report", copy)
    assert status == 0, err


def test_help_and_mistakes_do_not_import_torch():
    code = """
import sys
sys.argv[0] = "latente"
from latente import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    for arguments, status in (
        (["--help"], 0),
        (["train", "vae", "--help"], 0),
        (["recipes"], 0),
        (["data"], 0),
        (["train", "vae", "--latnt", "3"], 2),
        (["train", "vae", "--latent", "0"], 1),
        (["train", "vea"], 2),
        (["trian"], 2),
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == f"{status} False", arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "vae", "--latent", "0"], ["latent", "0", "greater"]),
        (["train", "vae", "--beta", "cyclic"], ["beta", "'cyclic'", "cyclical"]),
        (["train", "vae", "--lr", "-1"], ["lr", "-1", "greater"]),
        (["train", "vae", "--data", "digitz"], ["digitz", "did you mean digits"]),
        (["train", "vae", "--device", "cuda:99", "--steps", "1"], ["cuda:99", "auto or cpu"]),
        (["train", "vae", "--k", "5", "--beta", "0.5"], ["beta", "IWAE"]),
        (["evaluate", "nowhere"], ["nowhere", "is not a run"]),
        (["resume", "nowhere"], ["nowhere", "is not a run"]),
        (["sample", "nowhere"], ["nowhere", "is not a run"]),
    ],
)
def test_mistakes_are_answered_in_a_sentence(latente, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, _, error = latente(*arguments)
    assert status == 1
    assert error.startswith("latente: ") and error.count("\n") == 1 and "Traceback" not in error
    for word in words:
        assert word in error
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_run_is_not_overwritten(latente, run):
    status, _, error = latente("train", "vae", *SMALL, "--out", run)
    assert status == 1 and "holds a run already" in error and f"latente resume {run}" in error


def test_resume_of_a_finished_run_changes_nothing(latente, run):
    before = (run / "metrics.jsonl").read_bytes()
    status, output, _ = latente("resume", run)
    assert status == 0 and "best validation loss" in output
    assert (run / "metrics.jsonl").read_bytes() == before


def test_evaluate_prints_and_stores_the_figures(latente, run):
    status, output, _ = latente("evaluate", run, "--k", "20", "--examples", "100")
    assert status == 0
    for name in (
        "−ELBO",
        "distortion",
        "rate",
        "importance-weighted",
        "bits per dimension",
        "active dimensions",
    ):
        assert name in output
    assert "dynamic binarisation" in output
    status, output, _ = latente("evaluate", run, "--k", "20", "--examples", "100", "--json")
    figures = json.loads(output)
    assert figures["examples"] == 100
    stored = json.loads((run / "evaluation.json").read_text())
    by_example = stored["found"].pop("by_example")
    assert stored["found"] == figures and stored["asked"]["k"] == 20
    assert {name: len(values) for name, values in by_example.items()} == {"bound": 100, "nll": 100}
    figures = figures["figures"]
    assert figures["nll"]["k"] == 20 and figures["bound"]["elbo"]["mean"] < -figures["nll"]["mean"] < 0


@pytest.mark.parametrize("kind", ["sample", "reconstruct", "interpolate", "traverse", "manifold", "scatter"])
def test_pictures(latente, run, tmp_path, kind):
    status, _, error = latente(kind, run, "--out", tmp_path / "folder" / "picture.png")
    assert status == 0, error
    with Image.open(tmp_path / "folder" / "picture.png") as picture:
        assert min(picture.size) > 100 and len(picture.convert("L").getcolors(1 << 16) or []) > 10


@pytest.mark.parametrize("ending", ["parquet", "csv", "npz"])
def test_codes_go_out_and_come_back(latente, run, new_digits, tmp_path, ending):
    codes, decoded = tmp_path / f"codes.{ending}", tmp_path / "decoded.npz"
    assert latente("encode", run, "--data", new_digits, "--out", codes)[0] == 0
    table = read_table(codes)
    assert list(table) == ["row", *(f"{name}_{j}" for name in ("z", "sd") for j in range(3)), "label"]
    assert len(table["z_0"]) == 12
    assert latente("decode", run, "--codes", codes, "--out", decoded)[0] == 0
    x = np.load(decoded)["x"]
    assert x.shape == (12, 1, 28, 28) and 0 <= x.min() < x.max() <= 1


def test_scores_are_the_same_twice_and_for_each_example_alone(latente, run, new_digits, tmp_path):
    new_digits = new_digits.with_name("binary.npz")  # grey levels would be drawn, by their place in the file
    files = [tmp_path / f"{i}.csv" for i in range(2)]
    for file in files:
        assert latente("score", run, "--data", new_digits, "--out", file, "--draws", "8")[0] == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(new_digits) as digits:
        np.savez(tmp_path / "one.npz", x=digits["x"][5:6], y=digits["y"][5:6])
    assert (
        latente("score", run, "--data", tmp_path / "one.npz", "--out", tmp_path / "one.csv", "--draws", "8")[
            0
        ]
        == 0
    )
    all_of_them, one = read_table(files[0]), read_table(tmp_path / "one.csv")
    assert list(one) == ["row", "elbo", "distortion", "rate", "log_likelihood_bound", "label"]
    assert all_of_them.pop("row")[5] == 6 and one.pop("row")[0] == 1
    assert (one["log_likelihood_bound"] >= one["elbo"] - 20).all()
    for name, column in one.items():
        assert all_of_them[name][5] == pytest.approx(column[0], rel=1e-5), name


def test_report(latente, run, tmp_path):
    status, _, error = latente("report", run, "--out", tmp_path / "page.html")
    assert status == 0, error
    page = (tmp_path / "page.html").read_text()
    assert "dynamic binarisation" in page and "latente train vae --data digits" in page


def test_a_default_folder_is_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert free_folder("vae", "digits") == Path("runs/vae-digits-1")
    Path("runs/vae-digits-1").mkdir(parents=True)
    assert free_folder("vae", "some/where/my.csv") == Path("runs/vae-my-1")
    assert free_folder("vae", "digits") == Path("runs/vae-digits-2")


def test_a_table_from_training_to_samples_in_its_own_units(latente, tmp_path):
    rng = np.random.default_rng(0)
    height = rng.normal(170, 10, 400)
    rows = np.stack([height, 0.9 * height - 90 + rng.normal(0, 5, 400)], 1)
    table = tmp_path / "people.csv"
    table.write_text("height,weight\n" + "\n".join(f"{a:.2f},{b:.2f}" for a, b in rows) + "\n")
    folder = tmp_path / "run"
    how = [
        "--latent",
        "1",
        "--hidden",
        "16",
        "--steps",
        "300",
        "--lr",
        "0.01",
        "--batch",
        "64",
        "--threads",
        "1",
    ]
    assert latente("train", "vae", "--data", table, *how, "--out", folder)[0] == 0
    assert latente("sample", folder, "--out", tmp_path / "samples.png")[0] == 0
    assert latente("encode", folder, "--data", table, "--out", tmp_path / "codes.csv")[0] == 0
    assert (
        latente("decode", folder, "--codes", tmp_path / "codes.csv", "--out", tmp_path / "back.csv")[0] == 0
    )
    for ending in ("csv", "parquet", "npz"):
        file = tmp_path / f"samples.{ending}"
        status, said, error = latente("sample", folder, "-n", "2000", "--out", file)
        assert status == 0 and f"2000 rows: {file}" in said, error
        drawn = read_table(file) if ending != "npz" else dict(zip(("height", "weight"), np.load(file)["x"].T))
        assert list(drawn) == ["height", "weight"] and len(drawn["height"]) == 2000
        assert abs(drawn["height"].mean() - 170) < 4 and 5 < drawn["height"].std() < 15
    back = read_table(tmp_path / "back.csv")
    assert list(back) == ["row", "height", "weight"]
    assert np.corrcoef(back["height"], rows[:, 0])[0, 1] > 0.8
    assert abs(back["height"].mean() - 170) < 5


def test_two_processes_train_one_run(tmp_path):
    folder = tmp_path / "run"
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*start, "-m", "latente.cli", "train", "vae", *SMALL, "--steps", "20"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode != 0 and "name it with --out" in refused.stderr
    done = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the run is in") == 1
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps) == [20, 20]


def test_a_refused_device_leaves_the_folder_free(latente, tmp_path):
    assert latente("train", "vae", *SMALL, "--device", "cuda:99", "--out", tmp_path / "run")[0] == 1
    assert not (tmp_path / "run").exists()


def test_a_conditional_run_asks_for_labels(latente, tmp_path, new_digits):
    folder = tmp_path / "run"
    how = ["--hidden", "16", "--latent", "2", "--steps", "10", "--threads", "1"]
    assert latente("train", "conditional-vae", *how, "--out", folder)[0] == 0
    with np.load(new_digits) as digits:
        np.savez(tmp_path / "unlabelled.npz", x=digits["x"])
    for command in ("encode", "score"):
        unlabelled = ["--data", tmp_path / "unlabelled.npz", "--out", tmp_path / "table.csv"]
        status, _, error = latente(command, folder, *unlabelled)
        assert status == 1 and "unlabelled.npz" in error and "labels" in error and "Traceback" not in error
    assert latente("encode", folder, "--data", new_digits, "--out", tmp_path / "table.csv")[0] == 0


def test_a_demo_keeps_the_one_before_and_its_threads(latente, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.train, "show_evaluation", lambda *_: None)
    monkeypatch.setattr(cli.train, "report", lambda *_: None)
    monkeypatch.setattr("latente.evaluation.evaluate", lambda _: None)
    for _ in range(2):
        assert latente("demo", "--steps", "1", "--threads", "1")[0] == 0
    first, second = (Run.open(tmp_path / "runs" / name) for name in ("demo", "demo-2"))
    assert first.settings.threads == second.settings.threads == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, _, error = latente("demo", "--steps", "1")
    assert status == 1 and "--out" in error


def test_an_unwritable_place_is_one_sentence(latente, run, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device", str(run / "evaluation.json"))

    monkeypatch.setattr("latente.runs.store.write_whole", refuse)
    status, _, error = latente("evaluate", run, "--k", "2", "--examples", "20")
    assert status == 1 and "evaluation.json" in error and "No space left" in error and error.count("\n") == 1
