"""What comes from Python: numbers come in whatever holds them, all else is refused in a sentence."""

import numpy as np
import pytest
import torch

import latente
from latente.data import Examples, from_arrays, load, read
from latente.errors import LatenteError

X = np.random.default_rng(0).normal(size=(60, 3))


class Series:
    """A column of a table that is not of pandas."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return np.asarray(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __len__(self):
        return len(self.values)


class Frame:
    """A table like those of polars: columns are a list of names."""

    def __init__(self, columns):
        self.held, self.columns = columns, list(columns)

    def __getitem__(self, name):
        return Series(self.held[name])


def same(data, x, columns=()):
    found = torch.cat([data.train.x, data.validation.x, data.test.x])
    order = np.argsort(np.concatenate([data.indices[n] for n in ("train", "validation", "test")]))
    np.testing.assert_allclose(data.inverse(found)[order].numpy(), x, atol=1e-5)
    assert data.train.x.dtype == torch.float32 and (not columns or data.columns == columns)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


GIVEN = {
    "float64": X,
    "big-endian": X.astype(">f8"),
    "Fortran order": np.asfortranarray(X),
    "backwards": X[::-1][::-1],
    "read-only": read_only(X),
    "long double": X.astype(np.longdouble),
    "objects": X.astype(object),
    "lists": X.tolist(),
    "list of arrays": list(X),
    "list of tensors": [torch.from_numpy(row) for row in X],
    "tensor": torch.from_numpy(X),
    "tensor with gradient": torch.from_numpy(X).requires_grad_(),
    "sparse tensor": torch.from_numpy(X).to_sparse(),
    "matrix": np.ma.masked_invalid(X),
}


@pytest.mark.parametrize("name", GIVEN)
def test_numbers_come_in_whatever_holds_them(name):
    same(from_arrays(GIVEN[name]), X)


@pytest.mark.parametrize("name", ["pandas", "frame", "dict", "structured"])
def test_columns_keep_their_names(name):
    columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    table = {
        "pandas": lambda: pytest.importorskip("pandas").DataFrame(columns),
        "frame": lambda: Frame(columns),
        "dict": lambda: columns,
        "structured": lambda: np.array(list(map(tuple, X)), dtype=[(n, float) for n in "abc"]),
    }[name]()
    data = from_arrays(table)
    same(data, X, ("a", "b", "c"))
    assert data.kind.name == "table"


def test_dates_as_whole_numbers_keep_their_digits():
    days = 20240100 + np.arange(60) % 28
    same(from_arrays(np.column_stack([days, days[::-1]])), np.column_stack([days, days[::-1]]))


def test_columns_of_pandas_that_are_no_numbers_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    for column in (
        ["p", "q"] * 30,
        ["1", "2"] * 30,
        pandas.Categorical(["p", "q"] * 30),
        pandas.date_range("2024-01-01", periods=60),
    ):
        with pytest.raises(LatenteError, match=r"column 'w' is not numeric; .*x.drop\(columns=\['w'\]\)"):
            from_arrays(frame.assign(w=column))
    with pytest.raises(LatenteError, match=r"30 values that are missing .* column 'w'"):
        from_arrays(frame.assign(w=pandas.array([1, None] * 30, dtype="Int64")))
    assert from_arrays(frame.assign(w=pandas.array([1, 2] * 30, dtype="Int64"))).columns[-1] == "w"
    with pytest.raises(LatenteError, match="more than one column called 'a'"):
        from_arrays(pandas.concat([frame, frame], axis=1))
    assert "'k' is constant" in from_arrays(frame.assign(k=1.0)).note


def test_labels_of_pandas():
    pandas = pytest.importorskip("pandas")
    for labels, classes, unknown in (
        (pandas.Series(["a", "b"] * 30), ("a", "b"), 0),
        (pandas.Series(pandas.Categorical(["a", None] * 30)), ("a",), 30),
        (pandas.Series([1, None] * 30, dtype="Int64"), ("1",), 30),
        (pandas.Series(["a", None] * 30, dtype="string"), ("a",), 30),
        (pandas.Series([True, None] * 30, dtype="boolean"), ("True",), 30),
        (pandas.DataFrame({"y": ["a", "b"] * 30}), ("a", "b"), 0),
    ):
        data = from_arrays(X, labels)
        y = torch.cat([data.train.y, data.validation.y, data.test.y])
        assert data.classes == classes and int((y < 0).sum()) == unknown
        assert ("30 of 60 labels are unknown" in data.note) == (unknown > 0)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1, "a"] * 30, ("1", "a")),
        (["a", None] * 30, ("a",)),
        (torch.tensor([0, 1] * 30), ("0", "1")),
        (np.array([2**64 - 1, 2**64 - 2] * 30, np.uint64), ("18446744073709551614", "18446744073709551615")),
        (np.array(["2024-01-01", "2024-01-02"] * 30, "M8[D]"), ("2024-01-01", "2024-01-02")),
    ],
)
def test_labels_of_any_kind(labels, classes):
    assert from_arrays(X, labels).classes == classes


REFUSED = {
    "ragged": (lambda: from_arrays([[1, 2], [3]]), "rows differ in length"),
    "one axis": (lambda: from_arrays(X[:, 0]), "no data set: .*reshape"),
    "no rows": (lambda: from_arrays(X[:0]), "is empty"),
    "words": (lambda: from_arrays([["a", "b"]] * 60), "holds no numbers"),
    "things": (lambda: from_arrays([{"a": 1}] * 60), "no numbers"),
    "masked": (lambda: from_arrays(np.ma.masked_greater(X, 1)), "values that are missing"),
    "complex": (lambda: from_arrays(X * 1j), "holds no numbers"),
    "no data": (lambda: from_arrays(torch.empty(60, 3, device="meta")), "has no data"),
    "one label": (lambda: from_arrays(X, "abc"), "give each row one"),
    "few labels": (lambda: from_arrays(X, [1, 2]), "60 rows but 2 labels"),
    "one-hot labels": (lambda: from_arrays(X, np.eye(2)[[0, 1] * 30]), r"as y.argmax\(1\)"),
    "labels of bytes": (lambda: from_arrays(X, [b"a", b"\xff"] * 30), "row 2 is .* not UTF-8"),
    "path": (lambda: load(X), r"from_arrays\(x, y\)"),
    "path to read": (lambda: read(X), r"from_arrays\(x, y\)"),
    "evaluate": (lambda: latente.evaluate(vae(), X), r"latente.from_arrays\(x, y\)"),
    "evaluate width": (
        lambda: latente.evaluate(vae(2), from_arrays(X), k=2, examples=4),
        r"cannot read the examples of arrays, of shape \(3,\)",
    ),
    "fit data": (lambda: fit(from_arrays(X)), "give data.train, data.validation"),
    "fit width": (lambda: fit(X, n=2), r"cannot be trained on examples of shape \(3,\)"),
    "fit validation": (
        lambda: fit(X, X[:, :2]),
        r"validation have shape \(2,\), and those of training \(3,\)",
    ),
    "fit words": (lambda: fit({"a": ["p"] * 60}), "column 'a' is not numeric"),
    "fit complex": (lambda: fit(torch.zeros(60, 3, dtype=torch.cfloat)), "give real numbers"),
    "examples": (lambda: Examples(None), "hold no numbers"),
    "a number": (lambda: Examples(torch.tensor(3.0)), "single number"),
    "words as numbers": (lambda: Examples(X, ["a"] * 60), "numbers of the classes"),
}


def vae(n=3):
    return latente.make("vae", shape=(n,), latent=2, hidden=[8]).model


def fit(x, validation=None, n=3):
    return latente.Trainer(vae(n), steps=2, threads=1, batch=8).fit(x, validation)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_in_a_sentence(name):
    call, message = REFUSED[name]
    with pytest.raises(LatenteError, match=message):
        call()


@pytest.mark.parametrize(
    "x",
    [
        X,
        X.tolist(),
        torch.from_numpy(X),
        torch.randint(0, 5, (60, 3)),
        np.ones((60, 3), np.int32),
        {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]},
        Examples(torch.from_numpy(X)),
        torch.from_numpy(X).to_sparse(),
    ],
)
def test_fit_takes_numbers_of_any_type(x):
    assert fit(x, x)[-1]["step"] == 2


def test_examples_take_arrays():
    x, y = Examples(X, np.arange(60)).batch(slice(0, 2))
    assert x.dtype == torch.float32 and y.tolist() == [0, 1] and y.dtype == torch.int64
    assert latente.from_arrays is from_arrays


def test_windows_of_a_series_are_said_to_be_read_as_images():
    windows = np.random.default_rng(0).random((60, 24, 3))
    assert "taken for images of 24 x 3 grey pixels: for vectors, reshape" in from_arrays(windows).note
    with pytest.raises(LatenteError, match=r"reshape the array to \(60, 72\)"):
        from_arrays(windows * 5 - 2)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_matrices_are_read_in_full(tmp_path, form):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(X > 0.5, np.round(9 * X), 0)
    sparse.save_npz(tmp_path / "s.npz", sparse.coo_matrix(x).asformat(form))
    data = load(tmp_path / "s.npz")
    same(data, x)
    assert "a sparse matrix" in data.note and "read in full" in data.note
    same(from_arrays(sparse.coo_matrix(x).asformat(form)), x)


def test_labels_beside_a_sparse_matrix(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(X > 0.5, np.round(9 * X), 0)
    parts = sparse.csr_matrix(x)
    parts = {"data": parts.data, "indices": parts.indices, "indptr": parts.indptr, "shape": np.array(x.shape)}
    np.savez(tmp_path / "s.npz", **parts, cluster=np.arange(60) % 3)
    same(load(tmp_path / "s.npz"), x)
    assert "the arrays cluster beside it are not read" in load(tmp_path / "s.npz").note
    assert load(tmp_path / "s.npz", label="cluster").classes == ("0", "1", "2")


@pytest.mark.parametrize("change", ["indices", "indptr", "data", "shape", "format"])
def test_sparse_matrices_that_do_not_fit_together_are_refused(tmp_path, change):
    parts = {
        "data": np.ones(60),
        "indices": np.arange(60) % 3,
        "indptr": np.arange(61),
        "shape": np.array([60, 3]),
        "format": np.array(b"csr"),
    }
    parts[change] = {
        "indices": -parts["indices"] - 1,
        "indptr": parts["indptr"][::-1],
        "data": np.array(["a"] * 60),
        "shape": np.array([60]),
        "format": np.array(b"bsr"),
    }[change]
    np.savez(tmp_path / "s.npz", **parts)
    with pytest.raises(LatenteError, match=r"do not fit together|of the form 'bsr'"):
        load(tmp_path / "s.npz")
