"""Codes and scores: the same for the same example, and back again through every kind of file."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from latente import codes, make
from latente.data import Examples, Reading, from_arrays
from latente.data.rows import Rows
from latente.data.table_files import read_table, write_table
from latente.errors import DataError, LatenteError
from latente.trace import mean

ENDINGS = [".csv", ".npz", ".parquet"]


def skip_without(ending):
    if ending == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed")


@pytest.fixture(scope="module")
def points():
    """Two hundred points of a grid, with a column in large units and one that is not linear."""
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(10.0)), -1).reshape(-1, 2)
    table = np.concatenate([grid, grid @ [[1.0], [3.0]] + 50, np.sin(grid[:, :1])], 1)
    return from_arrays(table, y=(grid[:, 0] > 9).astype(int))


@pytest.fixture
def model(points):
    return make("vae", shape=points.shape, latent=3, hidden=[8]).model.eval()


def test_codes_are_the_posterior(points, model):
    table = codes.encode(model, points.test, points.classes)
    x, y = points.test.batch(slice(None))
    assert list(table) == ["z_0", "z_1", "z_2", "sd_0", "sd_1", "sd_2", "label"]
    q = model.posterior(x)
    for j in range(3):
        assert_close(torch.from_numpy(table[f"z_{j}"]), q.mean[:, j].detach())
        assert_close(torch.from_numpy(table[f"sd_{j}"]), q.stddev[:, j].detach())
    assert (table["label"] == y.numpy()).all()


def test_codes_of_many_blocks_keep_their_order(points, model):
    x = points.train.x.repeat(8, 1)
    table = codes.encode(model, Examples(x))
    assert len(table["z_0"]) == len(x) > 2 * codes.BLOCK and "label" not in table
    whole = model(x, choose=mean).latents["z"].z
    assert_close(torch.from_numpy(table["z_1"]), whole[:, 1].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
def test_tables_come_back_bit_for_bit(points, model, tmp_path, ending):
    skip_without(ending)
    table, file = codes.encode(model, points.test, points.classes), tmp_path / f"deep/codes{ending}"
    write_table(file, table)
    back = read_table(file)
    assert list(back) == list(table)
    for name, column in table.items():
        assert (back[name].astype(column.dtype) == column).all()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_decoding_gives_the_likelihoods_mean_in_the_datas_units(points, model, tmp_path, ending):
    skip_without(ending)
    write_table(tmp_path / f"codes{ending}", codes.encode(model, points.test))
    decoded = codes.decode(model, read_table(tmp_path / f"codes{ending}"), points)
    x, _ = points.test.batch(slice(None))
    assert_close(decoded, points.inverse(model(x, choose=mean).likelihood.mean.detach()))
    assert decoded[:, 2].mean() > 20


@pytest.mark.parametrize("name", ["conditional-vae", "autoencoder"])
def test_other_models_encode_and_decode(points, name):
    known = {"shape": points.shape, "classes": 2, "latent": 2, "hidden": [8]}
    model = make(name, **known).model.eval()
    table = codes.encode(model, points.test, points.classes)
    x, y = points.test.batch(slice(None))
    expected = points.inverse(model(x, y, choose=mean).likelihood.mean.detach())
    assert_close(codes.decode(model, table, points), expected)
    if name == "autoencoder":
        assert (table["sd_0"] == 0).all()
    else:
        with pytest.raises(DataError, match="labels"):
            codes.decode(model, {k: v for k, v in table.items() if k != "label"}, points)


def test_decoding_needs_every_column(points, model):
    table = codes.encode(model, points.test)
    del table["z_2"]
    with pytest.raises(DataError, match=r"no column 'z_2'.*3 dimensions"):
        codes.decode(model, table, points)


def test_scores_do_not_depend_on_the_other_examples(points, model):
    whole = codes.score(model, points.test, draws=20, seed=3)
    part = codes.score(model, Examples(points.test.x[4:7]), draws=20, seed=3)
    assert list(whole) == ["elbo", "distortion", "rate", "log_likelihood_bound"]
    for name, column in part.items():
        np.testing.assert_allclose(column, whole[name][4:7], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(whole["elbo"], -whole["distortion"] - whole["rate"], rtol=1e-5)
    assert whole["log_likelihood_bound"].mean() > whole["elbo"].mean()
    other = codes.score(model, points.test, draws=20, seed=4)
    assert (other["elbo"] != whole["elbo"]).any() and (other["rate"] == whole["rate"]).all()


def test_scores_of_a_point_mass_have_no_bound(points):
    model = make("autoencoder", shape=points.shape, latent=2).model.eval()
    assert list(codes.score(model, points.test, draws=5)) == ["elbo", "distortion", "rate"]


@pytest.mark.parametrize("name", ["codes.txt", "codes", "codes.CSV"])
def test_only_tables_are_written_and_read(tmp_path, name):
    (tmp_path / name).write_text("z_0\n1\n")
    with pytest.raises(LatenteError, match=name):
        write_table(tmp_path / name, {"z_0": np.ones(1)})
    with pytest.raises(DataError, match=name):
        read_table(tmp_path / name)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(LatenteError, match="cannot be written"):
        write_table(tmp_path / "file" / "codes.csv", {"z_0": np.ones(1)})
    assert (tmp_path / "file").read_text() == "kept"


DAMAGED = {
    "empty": b"",
    "text": b"hello",
    "no rows": b"z_0,z_1\n",
    "ragged": b"z_0,z_1\n1\n",
    "binary": b"\xff\xfe\x00\x01",
    "truncated": b"PK\x03\x04" + b"\x00" * 20,
    "array": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
    + b" " * 60
    + b"\n"
    + b"\x00" * 8,
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_tables_are_refused(tmp_path, ending, damage):
    skip_without(ending)
    file = tmp_path / f"codes{ending}"
    file.write_bytes(DAMAGED[damage])
    with pytest.raises(DataError, match=rf"codes\{ending}"):
        read_table(file)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffrow,z_0,z_1,z_2,label\n1,0.5,1,-2.25,0\n\n2,0.5,1,-2.25,1\n",  # saved by a spreadsheet
        "row;z_0;z_1;z_2;label\r\n1;0,5;1;-2,25;0\r\n2;0,5;1;-2,25;1\r\n",
        "file\tz_0\tz_1\tz_2\tlabel\na.png\t0.5\t1\t-2.25\t0\nb.png\t5e-1\t1.0\t-2.25\t1.0\n",
    ],
)
def test_codes_come_back_from_spreadsheets(points, model, tmp_path, text):
    (tmp_path / "codes.csv").write_text(text, newline="", encoding="utf-8")
    table = read_table(tmp_path / "codes.csv")
    expected = codes.decode(model, {f"z_{j}": np.full(2, v) for j, v in enumerate((0.5, 1, -2.25))}, points)
    assert_close(codes.decode(model, table, points), expected)
    first = next(iter(table))
    assert list(codes.passed_through(table, ["z"])) == [first, "label"]
    assert table[first].tolist() == ([1, 2] if first == "row" else ["a.png", "b.png"])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("high", r"'z_1' holds 'high' in row 2.*no number"),
        ("", r"hold nan in the column 'z_1', row 2"),
        ("inf", "inf"),
    ],
)
def test_codes_that_are_no_numbers_are_named(points, model, tmp_path, cell, said):
    (tmp_path / "codes.csv").write_text(f"z_0,z_1,z_2\n1,1,1\n1,{cell},1\n")
    with pytest.raises(DataError, match=said):
        codes.decode(model, read_table(tmp_path / "codes.csv"), points)


def test_a_row_of_another_length_is_named(tmp_path):
    (tmp_path / "codes.csv").write_text("z_0,z_1\n1,2\n1\n")
    with pytest.raises(DataError, match=r"codes\.csv: row 2 has 1 cells where there are 2 columns"):
        read_table(tmp_path / "codes.csv")


@pytest.mark.parametrize("names", [["1", "2", "3"], ["007", "7", "9007199254740993"], ["b", "a", "é"]])
@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_go_out_and_come_in_by_the_names_they_have(names, tmp_path, ending):
    skip_without(ending)
    y = np.array([2, 0, 1, 0] * 5)
    x = np.eye(3)[y] * 8 + np.arange(20)[:, None] / 100
    data = from_arrays(np.repeat(x, 2, 0), np.repeat(np.array(names)[y], 2))
    model = make("conditional-vae", shape=data.shape, classes=3, latent=2, hidden=[8]).model.eval()
    table = codes.encode(model, data.test, data.classes)
    expected = [data.classes[i] for i in data.test.y]
    assert [str(name) for name in table["label"].tolist()] == expected
    write_table(tmp_path / f"codes{ending}", table)
    back = read_table(tmp_path / f"codes{ending}")
    assert [f"{n:.0f}" if isinstance(n, float) else str(n) for n in back["label"].tolist()] == expected
    x, y = data.test.batch(slice(None))
    assert_close(
        codes.decode(model, back, data), data.inverse(model(x, y, choose=mean).likelihood.mean.detach())
    )
    with pytest.raises(DataError, match=r"label 'nobody' in row 1, which is none of the run's classes"):
        codes.decode(model, table | {"label": np.array(["nobody"] * len(expected))}, data)


def test_rows_that_hold_no_example_keep_their_place(points, model):
    rows = Rows("file", ("a.png", "c.png"), ((0, "0.png", "is damaged"), (1, "b.png", "is empty")))
    rows = replace(rows, ids={"patient": ["p7", "p9"]})
    reading = Reading(Examples(points.test.x[:2]), rows, ("cat", ""))
    table = codes.rows_of(reading, codes.encode(model, reading.examples), "codes.csv")
    assert list(table) == [
        "file",
        "patient",
        *(f"z_{j}" for j in range(3)),
        *(f"sd_{j}" for j in range(3)),
        "label",
        "left_out",
    ]
    assert table["file"].tolist() == ["0.png", "a.png", "b.png", "c.png"]
    assert table["patient"].tolist() == [None, "p7", None, "p9"] and table["label"].tolist() == [
        None,
        "cat",
        None,
        None,
    ]
    assert table["left_out"].tolist() == ["is damaged", "", "is empty", ""]
    assert table["z_0"][[1, 3]].tolist() == codes.encode(model, reading.examples)["z_0"].tolist()


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_that_were_left_out_are_written_and_not_decoded(points, model, tmp_path, ending):
    skip_without(ending)
    reading = Reading(Examples(points.test.x[:2]), Rows(left_out=((1, 2, "is empty"),), names=(1, 3)))
    write_table(
        tmp_path / f"codes{ending}", codes.rows_of(reading, codes.encode(model, reading.examples), "codes")
    )
    table = codes.decodable(read_table(tmp_path / f"codes{ending}"))
    assert table["row"].tolist() == [1, 3]
    assert_close(
        codes.decode(model, table, points), codes.decode(model, codes.encode(model, reading.examples), points)
    )


def test_a_column_of_ids_does_not_hide_one_of_figures(points, model):
    reading = Reading(Examples(points.test.x[:2]), Rows(ids={"elbo": ["p7", "p9"]}))
    with pytest.raises(DataError, match=r"scores\.csv would have two columns called 'elbo': rename yours"):
        codes.rows_of(reading, codes.score(model, reading.examples, 2), "scores.csv")


def test_a_truncated_npz_is_refused(tmp_path):
    file = tmp_path / "codes.npz"
    write_table(file, {"z_0": np.arange(100.0)})
    whole = file.read_bytes()
    for keep in range(0, len(whole), 17):
        file.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"codes\.npz"):
            read_table(file)


def test_pickled_arrays_are_refused(tmp_path):
    file = tmp_path / "codes.npz"
    np.savez(file, z_0=np.array([{}], dtype=object))
    with pytest.raises(DataError, match=r"codes\.npz"):
        read_table(file)


def test_columns_of_unequal_length_are_refused(points, model, tmp_path):
    np.savez(tmp_path / "codes.npz", z_0=np.ones(3), z_1=np.ones(2), z_2=np.ones(3))
    with pytest.raises(DataError):
        codes.decode(model, read_table(tmp_path / "codes.npz"), points)


def test_an_empty_table_is_said_to_have_no_rows(tmp_path):
    (tmp_path / "codes.csv").touch()
    with pytest.raises(DataError, match=r"codes\.csv has no rows"):
        read_table(tmp_path / "codes.csv")
