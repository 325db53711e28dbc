"""What people bring to a run after training, and what the data chose before it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from latente import runs
from latente.data import load, read
from latente.errors import DataError
from latente.evaluation.outliers import find_outliers
from latente.runs import Run

SHORT = {"steps": 30, "evaluate_every": 30, "threads": 1, "batch": 16}


def latente(*words, fails=False):
    done = subprocess.run(
        [sys.executable, "-m", "latente.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == fails and "Traceback" not in done.stderr, done.stderr
    return done.stderr if fails else done.stdout


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stages(path, n=120, known=1.0, names=("1", "2", "3"), label=True):
    """Writes points about three places, each with its stage."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    x = np.eye(3)[y] * 6 + rng.normal(0, 0.4, (n, 3))
    cells = [names[k] if rng.random() < known else "" for k in y]
    lines = ["a,b,c" + ",stage" * label]
    lines += [",".join(f"{v:.3f}" for v in row) + f",{cell}" * label for row, cell in zip(x, cells)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [names[k] for k in y]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("edges")
    stages(place / "stages.csv", names=("01", "2", "drei"))
    stages(place / "bare.csv", n=9, label=False)
    stages(place / "other.csv", n=9, names=("x", "2", "y"))
    longer = {**SHORT, "steps": 400, "lr": 0.01, "evaluate_every": 400}
    for recipe, how in (
        ("m2", {"latent": 2, "hidden": [16], "labels": 30}),
        ("conditional-vae", {"latent": 2, "hidden": [16]}),
    ):
        runs.train(recipe, str(place / "stages.csv"), place / recipe, label="stage", arguments=how, **longer)
    runs.train(
        "vae",
        str(place / "stages.csv"),
        place / "vae",
        label="stage",
        arguments={"latent": 2, "hidden": [8]},
        **SHORT,
    )
    return place


def test_classes_are_written_as_they_are_called(place):
    latente("classify", place / "m2", "--data", place / "stages.csv", "--out", place / "c.csv")
    table, truth = rows_of(place / "c.csv"), rows_of(place / "stages.csv")
    assert [row["row"] for row in table] == [str(i) for i in range(1, 121)]
    assert [row["label"] for row in table] == [row["stage"] for row in truth]
    right = sum(row["class"] == row["label"] for row in table)
    assert right > 110 and {row["class"] for row in table} == {"01", "2", "drei"}


def test_new_rows_need_no_label_where_none_is_read(place):
    for words in (["classify", "m2"], ["encode", "m2"], ["score", "m2"], ["encode", "vae"], ["score", "vae"]):
        for name in ("bare.csv", "other.csv"):
            latente(words[0], place / words[1], "--data", place / name, "--out", place / "n.csv")
            found = rows_of(place / "n.csv")
            assert len(found) == 9 and ("label" in found[0]) == (name == "other.csv")
            assert name == "bare.csv" or [row["label"] for row in found][:3] == ["x", "2", "y"]


def test_a_model_that_reads_labels_asks_for_them(place):
    said = latente("encode", place / "conditional-vae", "--data", place / "bare.csv", fails=True)
    assert "has no column 'stage' to take labels from" in said
    said = latente("encode", place / "conditional-vae", "--data", place / "other.csv", fails=True)
    assert "class 'x', which is none of the run's classes: 01, 2, drei; and its model reads labels" in said
    latente(
        "classify",
        place / "conditional-vae",
        "--data",
        place / "bare.csv",
        "--draws",
        "5",
        "--out",
        place / "n.csv",
    )
    assert len(rows_of(place / "n.csv")) == 9


def test_labels_go_out_and_come_in(place):
    (place / "wanted.csv").write_text("z_0,z_1,label\n0,0,01\n0,0,drei\n")
    latente("decode", place / "conditional-vae", "--codes", place / "wanted.csv", "--out", place / "d.csv")
    first, second = rows_of(place / "d.csv")
    assert first["label"] == "01" and float(first["a"]) > 3 > float(first["c"])
    assert second["label"] == "drei" and float(second["c"]) > 3 > float(second["a"])


def test_rows_whose_label_is_unknown_are_learned_from_by_who_can(tmp_path):
    stages(tmp_path / "part.csv", known=0.3)
    where, options = str(tmp_path / "part.csv"), {"latent": 2, "hidden": [8]}
    run = runs.train("m2", where, tmp_path / "m2", label="stage", arguments=options, **SHORT)
    y = run.data.train.y
    assert 0 < int((y >= 0).sum()) < len(y) and run.data.classes == ("1", "2", "3")
    assert "error" in latente("evaluate", tmp_path / "m2", "--k", "3")
    runs.train("vae", where, tmp_path / "vae", label="stage", arguments=options, **SHORT)
    with pytest.raises(
        DataError, match=r"labels of \d+ of 96 training examples are unknown, the first of row \d+"
    ):
        runs.train("conditional-vae", where, tmp_path / "cvae", label="stage", arguments=options, **SHORT)
    with pytest.warns(UserWarning, match=r"labels is 90, and \d+ training examples have one: all are used"):
        runs.train("m2", where, tmp_path / "all", label="stage", arguments={**options, "labels": 90}, **SHORT)


# -------------------------------------------------------------------------------------------------------- images


@pytest.fixture
def save():
    Image = pytest.importorskip("PIL.Image")

    def write(path, x):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(path)

    return write


def images(n=24, seed=0, low=0, high=255):
    return np.random.default_rng(seed).integers(low, high, (n, 8, 8)).astype(np.uint8)


def test_a_class_never_seen_is_scored(save, tmp_path):
    for i, x in enumerate(images(20)):
        save(tmp_path / f"train/good/{i:02}.png", x)
        save(tmp_path / f"new/{'good' if i % 2 else 'crack'}/{i:02}.png", x)
    runs.train(
        "vae",
        str(tmp_path / "train"),
        tmp_path / "run",
        arguments={"latent": 2, "hidden": [8], "network": "mlp"},
        **SHORT,
    )
    latente("score", tmp_path / "run", "--data", tmp_path / "new", "--out", tmp_path / "s.csv")
    table = rows_of(tmp_path / "s.csv")
    assert [row["file"] for row in table][:2] == ["crack/00.png", "crack/02.png"]
    assert [row["label"] for row in table] == ["crack"] * 10 + ["good"] * 10
    latente("score", tmp_path / "run", "--data", tmp_path / "new/good/01.png", "--out", tmp_path / "one.csv")
    assert float(rows_of(tmp_path / "one.csv")[0]["elbo"]) == pytest.approx(
        float(table[10]["elbo"]), rel=1e-4
    )


def test_what_was_left_out_keeps_its_row(save, tmp_path):
    for i, x in enumerate(images(14)):
        save(tmp_path / f"a/{i:02}.png", x)
    for name in ("03.png", "10.png"):
        (tmp_path / "a" / name).write_bytes(b"no image")
    found = read(tmp_path / "a", side=8)
    assert len(found) == 12 and found.rows.names[3] == "04.png"
    assert [(at, name) for at, name, _ in found.rows.left_out] == [(3, "03.png"), (9, "10.png")]
    assert all("is not an image" in why for *_, why in found.rows.left_out)


def test_a_split_whose_test_has_no_labels(save, tmp_path):
    for i, x in enumerate(images(24)):
        save(tmp_path / (f"train/{'ab'[i % 2]}/{i}.png" if i < 18 else f"test/{i}.png"), x)
    data = load(tmp_path)
    assert data.classes == ("a", "b") and (data.train.y >= 0).all() and (data.test.y < 0).all()
    how = {"latent": 2, "hidden": [8], "network": "mlp", "likelihood": "gaussian"}
    runs.train("vae", str(tmp_path), tmp_path / "run", arguments=how, **SHORT)
    runs.train("conditional-vae", str(tmp_path), tmp_path / "cvae", arguments=how, **SHORT)


def test_captions_beside_class_folders_leave_the_classes(save, tmp_path):
    for i, x in enumerate(images(24)):
        save(tmp_path / f"{'ab'[i % 2]}/{i:02}.png", x)
    lines = [f"{'ab'[i % 2]}/{i:02}.png,picture {i % 3}" for i in range(24)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,text", *lines]) + "\n")
    data = load(tmp_path)
    assert data.classes == ("a", "b") and "captions were found beside the images, and left aside" in data.note
    assert load(tmp_path, reads="captions").kind.name == "captions"


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (images(24, high=40), r"brightest of all pixels is 0.15 of white.*--white"),
        (np.repeat(images(1), 24, 0), "all 24 images are the same"),
        (
            np.random.default_rng(0).random((24, 24, 3)),
            r"taken for images of 24 x 3 grey pixels.*reshape the array to \(24, 72\)",
        ),
    ],
)
def test_doubtful_images_are_told(tmp_path, x, said):
    np.save(tmp_path / "x.npy", x)
    import re

    assert re.search(said, load(tmp_path / "x.npy").note)


def test_levels_count_up_to_the_white_that_is_named(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 4096, (24, 6, 6)).astype(np.uint16))
    with pytest.raises(DataError, match=r"pixels lie between \d and 40\d\d.*--white 4095"):
        load(tmp_path / "x.npy")
    assert load(tmp_path / "x.npy", white=4095).train.x.max() <= 1
    with pytest.raises(DataError, match="100 is to be white"):
        load(tmp_path / "x.npy", white=100)


def test_an_array_beyond_the_memory_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "huge.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**8, 10**4)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(4 * 10**12 + 1000)
    with pytest.raises(DataError, match=r"takes 4,000.0 GB and .* GB are free"):
        load(tmp_path / "huge.npy")


def test_photographs_are_not_binarised_unasked_and_ink_is(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "faces.npy", rng.integers(40, 200, (40, 8, 8)).astype(np.uint8))
    np.save(tmp_path / "ink.npy", (255 * (rng.random((40, 8, 8)) < 0.2)).astype(np.uint8) // 2 * 2 | 1)
    said = latente(
        "train",
        "vae",
        "--data",
        tmp_path / "faces.npy",
        "--steps",
        "2",
        "--threads",
        "1",
        "--out",
        tmp_path / "f",
    )
    assert "photographs, not ink; so --likelihood gaussian-optimal, --binarise none, --network conv" in said
    assert Run.open(tmp_path / "f").record["arguments"]["likelihood"] == "gaussian-optimal"
    latente(
        "train",
        "vae",
        "--data",
        tmp_path / "ink.npy",
        "--steps",
        "2",
        "--threads",
        "1",
        "--out",
        tmp_path / "i",
    )
    assert "dynamic binarisation" in Run.open(tmp_path / "i").record["data"]["benchmark"]
    words = ["--likelihood", "bernoulli", "--hidden", "8", "--steps", "2", "--threads", "1"]
    latente("train", "vae", "--data", tmp_path / "faces.npy", *words, "--out", tmp_path / "b")
    assert "dynamic binarisation" in Run.open(tmp_path / "b").record["data"]["benchmark"]


def test_a_sparse_matrix_is_read_in_full(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.random.default_rng(0).poisson(0.4, (30, 7)).astype(float)
    whole = load_whole(tmp_path, "x.npy", lambda path: np.save(path, x.astype(np.float32)))
    for form in ("csr", "csc", "coo"):
        matrix = getattr(sparse, f"{form}_matrix")(x)
        found = load_whole(tmp_path, f"{form}.npz", lambda path, m=matrix: sparse.save_npz(path, m))
        assert (found == whole).all()


def load_whole(folder, name, write):
    write(folder / name)
    data = load(folder / name)
    found = np.empty((30, 7))
    for part, examples in data.named_splits():
        found[data.indices[part]] = data.inverse(examples.x).numpy()
    return found.round(5)


# ------------------------------------------------------------------------------------------------------ outliers


def test_the_oddest_is_found_though_it_was_trained_on(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=90)
    x = np.column_stack([a, a + rng.normal(0, 0.05, 90), rng.normal(size=90)])
    x[41, 1] += 4  # no value of it is odd alone
    lines = ["who,a,b,c", *(f"p{i}," + ",".join(f"{v:.3f}" for v in row) for i, row in enumerate(x))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    how = {**SHORT, "steps": 300, "lr": 0.01, "evaluate_every": 100}
    arguments = {"latent": 2, "hidden": [16]}
    run = runs.train(
        "vae", str(tmp_path / "t.csv"), tmp_path / "run", arguments=arguments, options={"id": "who"}, **how
    )
    found = find_outliers(run, n=5)
    assert found.places[0] == 41 and len(found.nats) == 90 and (np.diff(found.nats) <= 0).all()
    assert {"a", "b"} & {word.split()[0] for word in found.because()[0].split(", ")}
    said = latente("outliers", tmp_path / "run", "-n", "3", "--out", tmp_path / "o.csv")
    table = rows_of(tmp_path / "o.csv")
    assert table[0]["row"] == "42" and table[0]["who"] == "p41" and len(table) == 90 and "   1  42  " in said
    assert json.loads((tmp_path / "run/outliers/1-of-3/run.json").read_text())["settings"]["steps"] == 300
