"""Tables of people: however they are written, the same numbers, labels and rows come in; what cannot is named."""

import gzip
import lzma

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latente.data import load, read
from latente.data.headers import has_header
from latente.data.labels import numbered_labels
from latente.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal([10, -3, 200, 0.4], [1, 2, 9, 0.3], (60, 4)).round(3)
HEADER = ["length", "width", "weight", "ratio"]


def lines(x=X, header=HEADER, delimiter=",", comma=False, end="\n"):
    rows = [[str(v).replace(".", ",") if comma else str(v) for v in row] for row in x.tolist()]
    return end.join(delimiter.join(row) for row in ([header] if header else []) + rows) + end


def whole(data):
    """All rows of a table, in their order and their own units."""
    x = torch.cat([data.train.x, data.validation.x, data.test.x])
    order = np.argsort(np.concatenate([data.indices[name] for name in ("train", "validation", "test")]))
    return data.inverse(x)[order].numpy()


def opened(tmp_path, text, name="t.csv", encoding="utf-8", **options):
    content = text if isinstance(text, bytes) else text.encode(encoding)
    packing = {".gz": gzip.compress, ".xz": lzma.compress}.get(name[-3:], bytes)
    (tmp_path / name).write_bytes(packing(content))
    return load(tmp_path / name, **options)


WAYS = {
    "commas": ({}, {}),
    "semicolons": ({"delimiter": ";"}, {}),
    "tabs": ({"delimiter": "\t"}, {}),
    "bars": ({"delimiter": "|"}, {}),
    "Spanish Excel": ({"delimiter": ";", "comma": True, "end": "\r\n"}, {"encoding": "utf-8-sig"}),
    "tabs and decimal commas": ({"delimiter": "\t", "comma": True}, {"name": "t.tsv"}),
    "UTF-16": ({"delimiter": "\t"}, {"encoding": "utf-16"}),
    "line ends of old Macs": ({"end": "\r"}, {}),
    "packed": ({}, {"name": "t.csv.gz"}),
    "packed by xz": ({}, {"name": "t.csv.xz"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_is_the_same_however_it_is_written(tmp_path, way):
    written, named = WAYS[way]
    data = opened(tmp_path, lines(**written), **named)
    assert data.learned.columns == tuple(HEADER)
    np.testing.assert_allclose(whole(data), X, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    delimiter=st.sampled_from(",;\t|"),
    comma=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    order=st.permutations(range(4)),
    index=st.booleans(),
    blank=st.booleans(),
    x=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6).map(lambda v: round(v, 3) + 0.5) for _ in range(4)]),
        min_size=10,
        max_size=30,
    ),
)
def test_any_way_of_writing_gives_the_same_rows(
    tmp_path_factory, delimiter, comma, end, encoding, order, index, blank, x
):
    comma = comma and delimiter != ","
    x = np.array(x)[:, order]
    header = [HEADER[i] for i in order]
    text = lines(x, header, delimiter, comma, end)
    if index:
        first, *rest = text.rstrip(end).split(end)
        text = end.join([delimiter + first, *(f"{i}{delimiter}{row}" for i, row in enumerate(rest))]) + end
    text = end + text + 2 * end if blank else text
    data = opened(tmp_path_factory.mktemp("t"), text, encoding=encoding)
    assert data.learned.columns == tuple(header)
    np.testing.assert_allclose(whole(data), x, rtol=1e-5, atol=np.abs(x).max() * 1e-6 + 1e-6)


def test_a_quoted_decimal_comma_is_one(tmp_path):
    text = "a,b\n" + "".join(f'"{i},5",{i}\n' for i in range(12))
    data = opened(tmp_path, text)
    assert (
        whole(data)[:, 0].tolist() == pytest.approx([i + 0.5 for i in range(12)], abs=1e-5)
        and "decimals have commas" in data.note
    )


def test_one_column_of_decimal_commas_is_one_column(tmp_path):
    data = opened(tmp_path, "size\n" + "".join(f"{i},25\n" for i in range(12)))
    assert whole(data)[:, 0].tolist() == pytest.approx(
        [i + 0.25 for i in range(12)], abs=1e-5
    ) and data.learned.columns == ("size",)


@pytest.mark.parametrize(
    ("first", "below", "found"),
    [
        (["0", "1", "2", "3"], X.tolist(), True),  # as pandas writes an array
        (["", "0", "1"], [["0", "1.5", "2"], ["1", "2.5", "3"]], True),
        (["1990", "1991", "1992"], [["3.1", "4.5", "9"], ["3", "4", "10"]], True),
        (["0"], [["0.3"], ["7"]], True),
        (["0", "1", "2"], [["3", "4", "5"], ["6", "7", "8"]], False),  # counts on
        (["10.002", "NA", "191.776"], [["9.1", "-4", "2"]], False),  # a value is missing
        (["?", "1", "2"], [["4", "1", "2"]], False),
        (["-", "7", "8"], [["4", "1", "2"]], False),
        (["a", "b", "7"], [["4", "1", "2"]], True),
        (["setosa", "1"], [["virginica", "2"]], False),
        (["5", "3"], [["4", "1"]], False),
    ],
)
def test_a_header_is_told_by_a_rule(first, below, found):
    assert has_header([first, *[[str(v) for v in row] for row in below]]) is found


def test_what_was_decided_about_the_header_is_said_and_can_be_undone(tmp_path):
    text = lines(header=["0", "1", "2", "3"])
    data = opened(tmp_path, text)
    assert len(whole(data)) == 60 and "is taken for the header (--header no)" in data.note
    data = opened(tmp_path, text, header="no")
    assert len(whole(data)) == 61 and data.learned.columns[0] == "column 1"
    assert "it has no header" in data.note
    with pytest.raises(DataError, match=r"1 value is missing, the first in row 1, column 'column 2'"):
        opened(tmp_path, "1.5,NA\n" + lines(X[:, :2], None))


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "id", "Index"])
@pytest.mark.parametrize("start", [0, 1])
def test_row_numbers_are_left_out_and_said(tmp_path, name, start):
    x = np.column_stack([np.arange(start, 60 + start), X])
    text = lines(X, [name, *HEADER]).splitlines()
    text = "\n".join([text[0], *(f"{i},{row}" for i, row in zip(range(start, 60 + start), text[1:]))])
    data = opened(tmp_path, text)
    assert data.learned.columns == tuple(HEADER) and "counts the rows and was left out" in data.note
    like = data.describe()
    assert len(read(tmp_path / "t.csv", like=like)) == 60
    (tmp_path / "bare.csv").write_text(lines())
    assert read(tmp_path / "bare.csv", like=like).examples.x.equal(
        read(tmp_path / "t.csv", like=like).examples.x
    )
    assert len(x) == 60


def test_a_column_that_counts_under_another_name_is_told(tmp_path):
    text = "day,a\n" + "".join(f"{i},{i * i % 7}\n" for i in range(30))
    data = opened(tmp_path, text)
    assert (
        data.learned.columns == ("day", "a")
        and "'day' counts the rows: leave it out with --without day" in data.note
    )
    assert opened(tmp_path, text, without="day").learned.columns == ("a",)


def test_parquet_of_pandas_comes_in_without_its_index(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=HEADER).sample(frac=1, random_state=0).sort_index()
    frame["grade"] = pandas.Categorical(["b", "a", "c"] * 20)
    frame["count"] = pandas.array([*range(59), None], dtype="Int64")
    frame.iloc[:59].to_parquet(tmp_path / "t.parquet", index=True)
    data = load(tmp_path / "t.parquet", label="grade")
    assert data.learned.columns == (*HEADER, "count") and data.classes == ("a", "b", "c")
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match="1 value that is missing or not finite, the first in row 60, column 'count'"
    ):
        load(tmp_path / "t.parquet", label="grade")


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["1", "2", "10"], ("1", "2", "10")),
        (["007", "7", "07"], ("007", "07", "7")),
        (["9007199254740992", "9007199254740993", "9007199254740994"],) * 2,
        (["1e3", "1000", "1"], ("1", "1000", "1e3")),
        (["1.0", "1", "2"], ("1", "1.0", "2")),
        (["none", "b", "True"], ("True", "b", "none")),
        (["-1", "0", "1"], ("-1", "0", "1")),
    ],
)
def test_labels_are_what_they_are_called(tmp_path, cells, classes):
    text = "a,y\n" + "".join(f"{i},{cells[i % 3]}\n" for i in range(30))
    data = opened(tmp_path, text, label="y")
    assert data.classes == tuple(classes)
    like = data.describe()
    assert list(read(tmp_path / "t.csv", "y", like).labels) == [cells[i % 3] for i in range(30)]


@pytest.mark.parametrize("sign", ["", "NA", "?", "nan", "null"])
def test_an_empty_label_is_unknown(tmp_path, sign):
    text = "a,y\n" + "".join(f"{i},{'b' if i % 3 else sign}\n" for i in range(30))
    data = opened(tmp_path, text, label="y")
    y = torch.cat([data.train.y, data.validation.y, data.test.y])
    assert data.classes == ("b",) and int((y < 0).sum()) == 10
    assert "10 of 30 labels are unknown" in data.note


@pytest.mark.parametrize(
    ("y", "found", "classes"),
    [
        (np.array([0, 2, 1, -1]), [0, 2, 1, -1], ("0", "1", "2")),
        (np.array([-1, 0, 1, 1]), [0, 1, 2, 2], ("-1", "0", "1")),  # three signs
        (np.array([-1, 1, 1]), [0, 1, 1], ("-1", "1")),
        (np.array([1.0, np.nan, 2.0]), [0, -1, 1], ("1", "2")),
        (np.array(["b", "", "a"]), [1, -1, 0], ("a", "b")),
        (np.array([b"b", b"a"]), [1, 0], ("a", "b")),
        (np.array(["b", None, "a"], dtype=object), [1, -1, 0], ("a", "b")),
        (np.array([True, False]), [1, 0], ("False", "True")),
        (np.array([[2], [2**62]]), [0, 1], ("2", str(2**62))),
    ],
)
def test_labels_of_arrays(y, found, classes):
    assert numbered_labels(y, "y.npy")[0].tolist() == found and numbered_labels(y, "y.npy")[1] == classes


NAMED = {
    "workbook": (b"PK\x03\x04" + bytes(50), "is a workbook or an archive: save it as .csv"),
    "parquet": (b"PAR1" + bytes(50), "is a parquet file: name it .parquet"),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), "holds NUL bytes"),
    "Latin-1": ("größe,b\n1,2\n".encode("latin-1"), "is not UTF-8 text: save it as UTF-8"),
    "thousands": (b"a,b\n" + b'"1,234",2\n' * 12, "'1,234' has separators of thousands"),
    "percent": (b"a,b\n" + b"12%,2\n" * 12, "'12%' has a unit"),
    "dates": (b"a,b\n" + b"2024-01-31,2\n" * 12, "'2024-01-31' is a date"),
    "ids": (
        b"a,b\n" + b"".join(b"u%d,2\n" % i for i in range(30)),
        "like an id: pass it through with --id a",
    ),
    "underscores": (b"a,b\n" + b"1_000,2\n" * 12, "column 'a' is not numeric"),
    "question marks": (
        b"a,b\n" + b"1,2\n" * 12 + b"?,3\n",
        "1 value is missing, the first in row 13, column 'a'",
    ),
    "spaces": (b"a,b\n" + b"1,2\n" * 12 + b" ,3\n", "1 value is missing, the first in row 13, column 'a'"),
    "ragged": (b"a,b\n" + b"1,2\n" * 12 + b"1,2,3\n", "row 13 has 3 cells where there are 2 columns"),
    "damaged gzip": (gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-9], "cannot be read"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_read_is_named(tmp_path, name):
    content, message = NAMED[name]
    file = tmp_path / ("t.csv.gz" if name == "damaged gzip" else "t.csv")
    file.write_bytes(content)
    with pytest.raises(DataError, match=message.replace("(", r"\(").replace("%", "%")):
        load(file)


def test_odd_files_of_spreadsheets(tmp_path):
    text = "sep=;\n# made by hand\na;b;\n1,5;2;\n\n" + "3,5;4;\n" * 12 + ";;\n" + "5,5;6;\n"
    data = opened(tmp_path, text.replace("# made by hand\n", ""))
    assert data.learned.columns == ("a", "b") and len(whole(data)) == 14
    assert data.rows.names[-1] == 15 and data.rows.left_out == ((13, 14, "holds no value"),)
    data = opened(tmp_path, "# made by hand\n" + lines())
    assert data.learned.columns == tuple(HEADER) and "remark" in data.note


def test_near_names_are_suggested(tmp_path):
    with pytest.raises(DataError, match=r"no column 'Length '.*Did you mean 'length'\?"):
        opened(tmp_path, lines(), label="Length ")


def test_ids_pass_through_and_are_no_features(tmp_path):
    rows = lines().splitlines()
    text = "\n".join(["who," + rows[0], *(f"p{i:03},{row}" for i, row in enumerate(rows[1:]))])
    data = opened(tmp_path, text, id="who")
    assert data.learned.columns == tuple(HEADER)
    found = read(tmp_path / "t.csv", like=data.describe(), id="who")
    assert found.rows.ids == {"who": [f"p{i:03}" for i in range(60)]}
    with pytest.raises(DataError, match=r"no column 'whom' \(--id\).*Did you mean 'who'"):
        read(tmp_path / "t.csv", like=data.describe(), id="whom")


def test_dates_without_separators_and_long_numbers_are_told(tmp_path):
    text = "when,big,a\n" + "".join(f"202401{i % 28 + 1:02},{2**53 + 2 * i},{i % 5}\n" for i in range(30))
    data = opened(tmp_path, text)
    assert "'when' looks like dates written as 20240131" in data.note and "above 2^53 in 'big'" in data.note


def test_rows_of_a_group_stay_in_one_split(tmp_path):
    text = "patient,a\n" + "".join(f"p{i % 13},{i}\n" for i in range(200))
    data = opened(tmp_path, text, group="patient", test=0.2)
    assert data.learned.columns == ("a",)
    of = {name: {i % 13 for i in rows.tolist()} for name, rows in data.indices.items()}
    assert all(of.values()) and not of["train"] & of["test"] and not of["train"] & of["validation"]
    assert not of["validation"] & of["test"] and sum(map(len, data.indices.values())) == 200
    with pytest.raises(DataError, match="there are 2 groups"):
        opened(tmp_path, "g,a\n" + "".join(f"{i % 2},{i}\n" for i in range(20)), group="g")


def test_a_split_by_time_reports_the_last_rows(tmp_path):
    data = opened(tmp_path, lines(), split="time", test=0.2)
    assert data.indices["test"].tolist() == [*range(48, 60)]
    assert data.indices["validation"].tolist() == [*range(42, 48)] and data.indices["train"].tolist() == [
        *range(42)
    ]
