"""A run moves: to another folder, another machine, its data elsewhere; and what it is shows itself in a notebook."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from latente import evaluation, report, runs
from latente.data import load
from latente.data.table_files import read_table
from latente.errors import RunError
from latente.runs import Run

HOW = {"steps": 40, "evaluate_every": 20, "checkpoint_every": 20, "threads": 1, "batch": 16}


def write_rows(path, seed=0, n=120):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    rows = [",".join([*(f"{v:.3f}" for v in row), "ab"[int(row[0] > 0)]]) for row in x]
    path.write_text("\n".join(["a,b,c,y", *rows]) + "\n")


@pytest.fixture
def moved(tmp_path):
    """The folder of a run whose data was moved, and where the data is now."""
    (tmp_path / "before").mkdir()
    write_rows(tmp_path / "before" / "t.csv")
    arguments = {"latent": 2, "hidden": [8]}
    run = runs.train(
        "conditional-vae",
        str(tmp_path / "before/t.csv"),
        tmp_path / "run",
        label="y",
        arguments=arguments,
        **HOW,
    )
    evaluation.evaluate(run, k=5)
    shutil.move(tmp_path / "before", tmp_path / "after")
    shutil.move(tmp_path / "run", tmp_path / "renamed")
    return tmp_path / "renamed", tmp_path / "after" / "t.csv"


def latente(*words):
    return subprocess.run(
        [sys.executable, "-m", "latente.cli", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_what_needs_no_data_works_without_it(moved, tmp_path):
    folder, data = moved
    codes = tmp_path / "codes.csv"
    codes.write_text("who,z_0,z_1,label\nu,0,0,a\nv,1,-1,b\n")
    for words in (
        ["sample", folder, "-n", 6, "--out", "s.csv"],
        ["decode", folder, "--codes", codes, "--out", "d.csv"],
    ):
        words = [tmp_path / w if str(w).endswith(".csv") else w for w in words]
        done = latente(*words)
        assert done.returncode == 0, done.stderr
    without = [read_table(tmp_path / name) for name in ("s.csv", "d.csv")]
    assert without[1]["who"].tolist() == ["u", "v"] and set(without[0]["label"].tolist()) == {"a", "b"}
    assert latente("sample", folder, "-n", 6, "--data", data, "--out", tmp_path / "s.csv").returncode == 0
    again = read_table(tmp_path / "s.csv")
    assert all((again[name] == column).all() for name, column in without[0].items())
    done = latente("encode", folder, "--data", data, "--out", tmp_path / "e.csv")
    assert done.returncode == 0 and len(read_table(tmp_path / "e.csv")["row"]) == 120


def test_what_needs_data_says_where_to_point(moved):
    folder, data = moved
    record = (folder / "run.json").read_bytes()
    for words in (["evaluate", folder, "--k", 5], ["resume", folder, "--steps", 60]):
        done = latente(*words)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert "is not at" in done.stderr and "say where it is with --data" in done.stderr
        assert (folder / "run.json").read_bytes() == record
        assert latente(*words, "--data", data).returncode == 0
    assert json.loads((folder / "run.json").read_bytes())["data"]["source"] == str(data)
    assert latente("evaluate", folder, "--k", 5).returncode == 0  # the place is recorded now


def test_other_data_is_refused(moved, tmp_path):
    folder, _ = moved
    write_rows(tmp_path / "other.csv", seed=1)
    with pytest.raises(RunError, match="say where it is with --data"):
        Run.open(folder).data  # noqa: B018
    done = latente("evaluate", folder, "--data", tmp_path / "other.csv")
    assert done.returncode == 1 and "has changed since the run was made" in done.stderr


def test_a_report_of_stored_figures_needs_no_data(moved):
    folder, _ = moved
    page = report.write(Run.open(folder)).read_text("utf-8")
    assert "latente report --data says where it is" in page and "−ELBO" in page and page.count("<svg") >= 1


def test_steps_below_the_one_it_is_at_are_refused(moved):
    folder, data = moved
    record = (folder / "run.json").read_bytes()
    done = latente("resume", folder, "--steps", 10, "--data", data)
    assert done.returncode == 1 and f"steps is 10, and {folder} is at step 40" in done.stderr
    assert (folder / "run.json").read_bytes() == record


def test_a_folder_is_trained_in_by_one_process(tmp_path):
    write_rows(tmp_path / "t.csv")
    words = [
        "train",
        "vae",
        "--data",
        tmp_path / "t.csv",
        "--label",
        "y",
        "--steps",
        "4000",
        "--threads",
        "1",
        "--out",
        tmp_path / "run",
    ]
    first = subprocess.Popen(
        [sys.executable, "-m", "latente.cli", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    assert first.stderr is not None
    first.stderr.readline()  # its first validation
    second = latente("resume", tmp_path / "run")
    assert second.returncode == 1 and "is being trained by another process" in second.stderr, second.stderr
    first.kill()
    first.wait()
    first.stderr.close()
    assert latente("resume", tmp_path / "run").returncode == 0
    assert not (tmp_path / "run" / ".lock").exists()


def test_things_show_themselves_in_a_notebook(moved):
    folder, data = moved
    run = Run.open(folder).at(str(data))
    assert "best validation" in run._repr_html_() and "conditional-vae" in run._repr_html_()
    assert "a, b, c" in run.data._repr_html_() and "<td" in run.data._repr_html_()
    found = evaluation.stored_evaluation(run)
    assert found is not None and "−ELBO" in found._repr_html_()
    from latente import pictures

    shown = pictures.samples(run.model, run.data, n=20)
    assert shown._repr_png_().startswith(b"\x89PNG")
    odd = load(data, label="y")
    assert "<script>" not in type(odd)(**{**vars(odd), "name": "<script>"})._repr_html_()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_runs_are_compared_in_any_width(moved, columns, monkeypatch):
    folder, data = moved
    run = Run.open(folder).at(str(data))
    for name in ("one", "two"):
        shutil.copytree(folder, folder.parent / name)
    monkeypatch.setenv("COLUMNS", str(columns))
    done = latente("compare", *[folder.parent / name for name in ("one", "two")][:2])
    assert done.returncode == 0, done.stderr
    assert "±" in done.stdout and "−ELBO" in done.stdout and "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= max(columns, len(str(folder)) + 2)
    assert run.title.startswith("conditional-vae")


def test_one_row_comes_by_the_standard_input(moved, tmp_path):
    folder, data = moved
    lines = data.read_text().splitlines()
    words = [
        sys.executable,
        "-m",
        "latente.cli",
        "encode",
        str(folder),
        "--data",
        "-",
        "--out",
        str(tmp_path / "one.csv"),
    ]
    text = "\n".join([lines[0], lines[5]]) + "\n"
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    latente("encode", folder, "--data", data, "--out", tmp_path / "all.csv")
    one, every = read_table(tmp_path / "one.csv"), read_table(tmp_path / "all.csv")
    assert (
        one["z_0"][0] == pytest.approx(every["z_0"][4], abs=1e-6)
        and torch.isfinite(torch.tensor(one["z_0"])).all()
    )
