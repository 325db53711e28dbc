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
    assert "the index of pandas, '__index_level_0__', was left out" in data.note
    named = frame.iloc[:59].set_index(pandas.Index([f"p{i}" for i in range(59)], name="who"))
    named.to_parquet(tmp_path / "n.parquet")
    assert load(tmp_path / "n.parquet", label="grade").learned.columns == (*HEADER, "count")
    assert load(tmp_path / "n.parquet", label="grade", id="who").rows.ids["who"][3] == "p3"
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


# --- whether the first row is the header ------------------------------------------------------------------

WHOLE = RNG.integers(0, 9, (30, 4))


@pytest.mark.parametrize(
    ("first", "x", "found"),
    [
        ("0,1,2,3", WHOLE, True),
        ("1,2,3,4", WHOLE, True),
        ("0.0,1.0,2.0,3.0", X, True),  # as pandas writes numbers with gaps
        ("1990,1991,1992,1993", 30 * WHOLE, True),
        ("1990,1995,2005,2010", X, True),
        ("350.0,350.5,351.0,351.5", X / 300, True),  # wavelengths
        (",".join(map(str, range(64))), RNG.integers(0, 256, (30, 64)), True),  # pixels
        ("na,k,ca,None", X, True),  # words, as they stand over numbers
        ("10.002,error,191.7,0.3", X, False),  # one cell is wrong
        ("5,abc,7,8", WHOLE, False),
        ("NA,NA,NA,NA", X, False),
        ("1,2,3,4", np.array([RNG.permutation(4) + 1 for _ in range(30)]), False),  # ranks
        ("1,2,3,4", np.outer(np.arange(2, 30), np.arange(1, 5)), False),
        ("7,3,8,4", WHOLE, False),
    ],
)
def test_numbers_are_names_where_no_data_looks_so(first, x, found):
    assert has_header([first.split(","), *[[str(v) for v in row] for row in x.tolist()]]) is found


def test_numbers_beside_the_name_of_the_label_are_names(tmp_path):
    rows = lines(header=None).splitlines()
    text = "0,1,2,3,species\n" + "".join(f"{row},{'ab'[i % 2]}\n" for i, row in enumerate(rows))
    data = opened(tmp_path, text, label="species")
    assert data.columns == ("0", "1", "2", "3") and data.classes == ("a", "b") and len(whole(data)) == 60


def test_a_row_with_a_wrong_cell_is_no_header_but_named(tmp_path):
    with pytest.raises(DataError, match=r"'error' in row 1 \(if that row names the columns: --header yes\)"):
        opened(tmp_path, "10.002,error,191.7,0.3\n" + lines(header=None))


def test_a_first_row_that_has_the_names_of_a_run_is_the_header(tmp_path):
    like = opened(tmp_path, lines(header=["7", "3", "8", "4"]), header="yes").describe()
    (tmp_path / "new.csv").write_text(lines(X[:1], ["7", "3", "8", "4"]))
    np.testing.assert_allclose(
        (read(tmp_path / "new.csv", like=like).examples.x.numpy() * like["learned"]["scale"])
        + like["learned"]["location"],
        X[:1],
        atol=1e-3,
    )


# --- how cells are parted, and numbers are written --------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        lines(header=["a", "b", "c", "d"], delimiter=" "),  # numpy.savetxt
        "# " + lines(header=["a", "b", "c", "d"]),
        "# by hand, in cm, kg, and more, you see\n# twice\n" + lines(header=["a", "b", "c", "d"]),
        '"a" , "b" , "c" , "d"\n' + lines(header=None).replace(",", " , "),
        "a,b,c,d\n" + lines(header=None, end=",\n"),  # a delimiter more than names
        "a,b,c,d\n" + "".join(f"r{i},{row}\n" for i, row in enumerate(lines(header=None).splitlines())),  # R
        ",a,b,c,d\n"
        + "".join(f"{i},{r}\n" for i, r in zip(RNG.permutation(99), lines(header=None).splitlines())),
        "Unnamed: 0,a,b,c,d\n"
        + "".join(f"{i},{r}\n" for i, r in zip(RNG.permutation(99), lines(header=None).splitlines())),
    ],
)
def test_what_is_no_feature_is_left_out(tmp_path, text):
    data = opened(tmp_path, text)
    assert data.columns == ("a", "b", "c", "d")
    np.testing.assert_allclose(whole(data), X, atol=1e-4)


def test_a_label_that_begins_like_a_remark_is_a_label(tmp_path):
    text = "".join(f"{('#ff0000', 'red')[i % 2]},{x}\n" for i, x in enumerate(X[:30, 0].tolist()))
    data = opened(tmp_path, text, label="column 1")
    assert data.classes == ("#ff0000", "red") and len(whole(data)) == 30


@pytest.mark.parametrize("encoding", ["utf-32", "utf-16-be"])
def test_marks_of_other_encodings(tmp_path, encoding):
    content = ("" if encoding == "utf-32" else "\ufeff") + lines()
    assert opened(tmp_path, content.encode(encoding)).columns == tuple(HEADER)


def test_a_packed_file_is_known_by_its_content(tmp_path):
    assert opened(tmp_path, gzip.compress(lines().encode())).columns == tuple(HEADER)
    (tmp_path / "plain.csv.gz").write_text(lines())
    with pytest.raises(DataError, match="is not packed, or damaged"):
        load(tmp_path / "plain.csv.gz")


def test_names_may_have_commas_of_their_own(tmp_path):
    data = opened(tmp_path, "length, cm;width, cm\n" + lines(X[:, :2], None, ";", comma=True))
    assert data.columns == ("length, cm", "width, cm")
    assert opened(tmp_path, '"a, x",b\n' + lines(X[:, :2], None), without='"a, x"').columns == ("b",)


def test_what_may_be_decimals_or_thousands_is_not_guessed(tmp_path):
    text = "a;b\n" + "".join(f"1,{i:03};{i * i}\n" for i in range(30))
    with pytest.raises(
        DataError, match=r"'1,000' has separators of thousands: write it without, or give --decimal ,"
    ):
        opened(tmp_path, text)
    assert whole(opened(tmp_path, text, decimal=","))[7, 0] == pytest.approx(1.007, abs=1e-6)
    with pytest.raises(DataError, match=r"'1,000.5' has separators of thousands"):
        opened(tmp_path, "a;b\n" + "".join(f"1,{i:03}.5;{i * i}\n" for i in range(30)))
    german = opened(tmp_path, "a;b\n" + "".join(f"1.{i:03},5;{i * i}\n" for i in range(30)))
    assert whole(german)[7, 0] == pytest.approx(1007.5, abs=1e-3)
    with pytest.raises(DataError, match="not numeric"):
        opened(tmp_path, "a;b\n" + "".join(f"{i},5;{i}.5\n" for i in range(30)), decimal=",")


def test_two_columns_of_whole_numbers_are_said_and_can_be_one_of_decimals(tmp_path):
    text = "".join(f"{i + 3},{i % 7}5\n" for i in range(30))
    data = opened(tmp_path, text)
    assert len(data.columns) == 2 and "--decimal , if it is one of decimals" in data.note
    data = opened(tmp_path, text, decimal=",")
    assert len(data.columns) == 1 and whole(data)[9, 0] == pytest.approx(12.25, abs=1e-5)


REFUSED = {
    "HTML": (b"<!DOCTYPE html>\n<html></html>", "is a web page: download the table itself"),
    "JSON": (b'[{"a": 1},\n{"a": 2}]', "is JSON: save its table as .csv"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run git lfs pull"),
    "pickle": (b"\x80\x04\x95abc", "is a pickle, which is never loaded"),
    "open quote": (b"a,b\n" + b"1,2\n" * 12 + b'"1,2\n' * 3, "is opened and not closed"),
    "open label": (b"a,y\n" + b"1,x\n" * 12 + b'1,"x\n' + b"1,x\n" * 12, "is opened and not closed"),
    "infinite": (b"a,b\n" + b"1,2\n" * 12 + b"1,inf\n", "the first in row 13, column 'b'"),
    "full width": (b"a,b\n" + b"1,2\n" * 12 + "１,2\n".encode(), "not numeric \\('１' in row 13\\)"),
    "hexadecimal": (b"a,b\n" + b"1,2\n" * 12 + b"0x1F,2\n", "'0x1F' in row 13"),
    "yes": (b"a,b\n" + b"True,2\nFalse,3\n" * 12, "'True' says yes or no: write 1 or 0"),
    "Latin-1": ("größe,b\n1,2\n".encode("latin-1"), "iconv -f WINDOWS-1252 -t UTF-8"),
    "group": (b"g,a\n" + b"1,2\n" * 12 + b",3\n", "the group 'g' is missing, first in row 13"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_numbers_is_refused_by_name(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(DataError, match=message):
        opened(tmp_path, content, **({"group": "g"} if name == "group" else {}))


def test_all_that_is_wrong_with_a_table_is_said_at_once(tmp_path):
    rows = [
        f"{'' if i == 3 else 20 + i},{'abc'[i % 3]}ville,2024-01-{i % 28 + 1:02},u{i:04},1,{i % 2}"
        for i in range(40)
    ]
    text = "age,city,joined,id,constant,target\n" + "\n".join(rows)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, text)
    for part in (
        "columns 'city', 'joined', 'id' are not numeric (city: words, as 'aville'; joined: '2024-01-01' is a date: write it as a "
        "number of days; id: 'u0000' is another in each row, like an id: pass it through with --id id)",
        "(--without city,joined,id)",
        "1 value is missing, the first in row 4, column 'age'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t.xlsx", "save it as .csv, UTF-8"),
        ("t.feather", "pandas.read_feather"),
        ("t.h5", "numpy.save"),
        ("t.pkl", "never loaded"),
        ("t.sav", "read_spss"),
        ("t.csv.zip", "unpack it"),
        ("t.data", "name it .csv"),
    ],
)
def test_other_files_of_tables_are_told_how_to_be_converted(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"abc")
    with pytest.raises(DataError, match=f"{name} is of a kind that latente does not read .*{message}"):
        load(tmp_path / name)


def test_a_table_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("latente.memory.free_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"4 columns, takes 0.0 GB and 0.0 GB are free: give fewer rows"):
        opened(tmp_path, lines())


# --- what the columns are ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "column", "note"),
    [
        ("customer_id", RNG.permutation(99999)[:60], "has another number in each row, like an id"),
        ("time", range(60), "counts the rows: leave it out with --without time"),
        ("fixed", [3] * 60, "'fixed' is constant"),
    ],
)
def test_what_looks_like_no_feature_is_told(tmp_path, name, column, note):
    rows = lines(header=None).splitlines()
    text = f"{name},a,b,c,d\n" + "".join(f"{v},{row}\n" for v, row in zip(column, rows))
    data = opened(tmp_path, text)
    assert data.columns[0] == name and note in data.note
    assert opened(tmp_path, text, without=name).columns == ("a", "b", "c", "d")


def test_an_empty_column_is_named(tmp_path):
    text = "a,gap,b\n" + "".join(f"{i * i},,{i % 5}\n" for i in range(30))
    with pytest.raises(DataError, match=r"'gap' empty in all rows: leave out with --without gap"):
        opened(tmp_path, text)
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"'n' is not numeric \(is empty in all rows\)"):
        parquet(tmp_path, {"a": X[:, 0], "n": pa.nulls(60, pa.float64())})


def test_a_column_that_was_left_out_can_be_kept(tmp_path):
    text = "id,a,b\n" + "".join(f"{i},{row}\n" for i, row in enumerate(lines(X[:, :2], None).splitlines()))
    assert opened(tmp_path, text).columns == ("a", "b")
    assert opened(tmp_path, text, without="none").columns == ("id", "a", "b")


def test_labels_may_be_a_few_fractions_but_no_measurements(tmp_path):
    text = "a,y\n" + "".join(f"{i % 5},{('0.5', '1.0', '10.0', '2.5')[i % 4]}\n" for i in range(40))
    assert opened(tmp_path, text, label="y").classes == ("0.5", "1.0", "2.5", "10.0")
    with pytest.raises(DataError, match=r"the label of row 2 is 0.143, not a class"):
        opened(tmp_path, "a,y\n" + "".join(f"{i % 5},{i / 7:.3f}\n" for i in range(40)), label="y")


def test_an_empty_column_of_labels_is_none(tmp_path):
    data = opened(tmp_path, "a,y\n" + "".join(f"{i % 5},\n" for i in range(30)), label="y")
    assert data.train.y is None and data.classes == ()


def test_few_known_labels_stay_in_training(tmp_path):
    text = "a,y\n" + "".join(f"{i},{i % 3 if i % 4 == 0 else ''}\n" for i in range(60))
    for seed in range(20):
        data = opened(tmp_path, text, label="y", seed=seed)
        known = [int((e.y >= 0).sum()) for e in (data.train, data.validation, data.test)]
        assert known == [13, 1, 1] and [len(data.train), len(data.validation), len(data.test)] == [48, 6, 6]


def test_a_split_is_at_random_or_by_time(tmp_path):
    with pytest.raises(DataError, match="not 'often': split is one of random and time"):
        opened(tmp_path, lines(), split="often")
    with pytest.raises(DataError, match="header is one of auto, yes, no, not 'maybe'"):
        opened(tmp_path, lines(), header="maybe")


# --- parquet ----------------------------------------------------------------------------------------------


def parquet(tmp_path, columns, **options):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), tmp_path / "t.parquet")
    return load(tmp_path / "t.parquet", **options)


def test_labels_of_parquet_are_what_they_are_called(tmp_path):
    import datetime
    import decimal

    base = {"a": X[:, 0], "b": X[:, 1]}
    for labels, classes in (
        ([2**53, 2**53 + 1] * 30, ("9007199254740992", "9007199254740993")),
        ([1.0, None, 2.0] * 20, ("1", "2")),
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)] * 30, ("2024-01-01", "2024-01-02")),
        ([decimal.Decimal("1.0"), decimal.Decimal("2.0")] * 30, ("1.0", "2.0")),
        ([b"u", b"v"] * 30, ("u", "v")),
        ([True, False] * 30, ("False", "True")),
    ):
        assert parquet(tmp_path, {**base, "y": labels}, label="y").classes == classes


def test_odd_columns_of_parquet_are_named(tmp_path):
    pa = pytest.importorskip("pyarrow")
    base = {"a": X[:, 0], "b": X[:, 1]}
    for column, message in (
        ([[1, 2]] * 60, "is nested, list"),
        ([str(i) for i in range(60)], "holds numbers written as text, as '0'"),
        (pa.array([i * 10**9 for i in range(60)], pa.duration("ns")), "is a time"),
        (pa.array(["u", "v"] * 30).dictionary_encode(), "words, as 'u'"),
    ):
        with pytest.raises(DataError, match=message):
            parquet(tmp_path, {**base, "n": column})
    found = parquet(tmp_path, {**base, "n": pa.array([4, 2] * 30).dictionary_encode()})
    assert whole(found)[:2, 2].tolist() == pytest.approx([4, 2])


def test_the_index_of_pandas_is_no_feature_whatever_it_is(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=HEADER)
    for index in (
        pandas.Index([f"u{i}" for i in range(60)], name="who"),
        pandas.Index(RNG.permutation(99)[:60]),
        pandas.MultiIndex.from_arrays([range(60), [1] * 60]),
    ):
        frame.set_index(index).to_parquet(tmp_path / "t.parquet")
        data = load(tmp_path / "t.parquet")
        assert data.columns == tuple(HEADER) and "index of pandas" in data.note


def test_a_folder_of_parquet_parts_is_refused_by_name(tmp_path):
    parquet(tmp_path, {"a": X[:, 0]})
    (tmp_path / "parts").mkdir()
    for i in range(2):
        (tmp_path / "parts" / f"{i}.parquet").write_bytes((tmp_path / "t.parquet").read_bytes())
    with pytest.raises(DataError, match="is a folder of 2 tables: put their rows into one file"):
        load(tmp_path / "parts")


# --- one table, written in many ways ----------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    form=st.sampled_from(["csv", "tsv", "gz", "parquet"]),
    delimiter=st.sampled_from(",;|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote=st.booleans(),
    order=st.permutations(range(4)),
    extra=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
    names=st.lists(
        st.sampled_from(["7", "007", "a", "b c", 'd"e', "ü", "10", "-1"]), min_size=2, max_size=4, unique=True
    ),
)
def test_a_table_reads_the_same_however_it_is_written(
    tmp_path_factory, form, delimiter, encoding, end, quote, order, extra, shuffle, names
):
    import csv

    tmp_path = tmp_path_factory.mktemp("t")
    labels = [names[i % len(names)] for i in range(20)]
    first = opened(tmp_path, with_column(lines(X[:20]), "label", labels), label="label")
    like = first.describe()
    rows = list(range(20))
    shuffle.shuffle(rows)
    columns = {HEADER[i]: [float(X[r, i]) for r in rows] for i in order}
    columns["label"] = [labels[r] for r in rows]
    columns |= {"other": [f"w{r}" for r in rows]} if extra else {}
    file = tmp_path / f"new.{'csv.gz' if form == 'gz' else form}"
    if form == "parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), file)
    else:
        between = "\t" if form == "tsv" else delimiter
        path = tmp_path / "plain"
        with path.open("w", encoding=encoding, newline="") as out:
            how = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
            writer = csv.writer(out, delimiter=between, lineterminator=end, quoting=how)
            writer.writerows([list(columns), *zip(*columns.values())])
        file.write_bytes(gzip.compress(path.read_bytes()) if form == "gz" else path.read_bytes())
    found = read(file, "label", like)
    old = read(tmp_path / "t.csv", "label", like)
    assert torch.equal(found.examples.x, old.examples.x[rows])
    assert torch.equal(found.examples.y, old.examples.y[rows]) and list(found.labels) == columns["label"]


def with_column(text, name, cells):
    """The table with a column more, quoted."""
    first, *rest = text.splitlines()
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    return "\n".join([f"{first},{name}", *(f"{row},{cell}" for row, cell in zip(rest, quoted))]) + "\n"


# --- runs -------------------------------------------------------------------------------------------------


def test_m2_learns_from_few_labels_of_a_table_and_is_judged_on_known_ones(tmp_path):
    from latente.evaluation import evaluate
    from latente.runs import Run, train

    y = [(1, 2, 3)[i % 3] for i in range(60)]
    rows = lines(X + 5 * np.array(y)[:, None], None).splitlines()
    text = "a,b,c,d,stage\n" + "".join(f"{row},{y[i] if i % 4 == 0 else ''}\n" for i, row in enumerate(rows))
    (tmp_path / "t.csv").write_text(text)
    how = {"steps": 20, "threads": 1, "evaluate_every": 10, "batch": 16}
    for labels in (12, None):
        folder = tmp_path / f"m2-{labels}"
        train("m2", str(tmp_path / "t.csv"), folder, label="stage", arguments={"labels": labels}, **how)
        run = Run.open(folder)
        assert run.data.classes == ("1", "2", "3") and len(run.data.train) == 48 and len(run.data.test) == 1
        found = evaluate(run)
        assert found["labels"].examples == 1 and found["labels"].labels == (labels or 13)
        assert np.isfinite(found["bound"].elbo.mean)
        assert evaluate(run, split="validation").split == "validation"
    with pytest.raises(
        DataError, match=r"labels of 35 of 48 training examples are unknown, the first of row"
    ):
        train("conditional-vae", str(tmp_path / "t.csv"), tmp_path / "c", label="stage", **how)


def test_a_run_keeps_its_groups_and_its_split(tmp_path):
    from latente.runs import Run, resume, train

    text = "g,a,b\n" + "".join(
        f"p{i // 5},{row}\n" for i, row in enumerate(lines(X[:, :2], None).splitlines())
    )
    (tmp_path / "t.csv").write_text(text)
    how = {"steps": 4, "threads": 1, "batch": 16}
    train("vae", str(tmp_path / "t.csv"), tmp_path / "r", options={"group": "g"}, split="time", **how)
    run = resume(tmp_path / "r", steps=6)
    assert run.asked().split == "time" and run.asked().options == {"group": "g"}
    data = Run.open(tmp_path / "r").data
    assert data.columns == ("a", "b") and data.indices["test"].tolist() == [*range(50, 60)]
    bare = "a,b\n" + lines(X[:3, :2], None)
    (tmp_path / "new.csv").write_text(bare)  # without groups
    assert len(read(tmp_path / "new.csv", like=run.record["data"])) == 3


def test_counts_and_their_logarithms_are_told(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(0.3, 2, (60, 8)))
    for name, numbers, said in (("n", x, "looks like counts"), ("l", np.log1p(x), r"log(1 + n) of counts")):
        np.save(tmp_path / f"{name}.npy", numbers.astype(np.float32))
        assert said in load(tmp_path / f"{name}.npy").note
    np.save(tmp_path / "x.npy", rng.normal(size=(60, 8)))
    assert not load(tmp_path / "x.npy").note


def test_vectors_of_bits_suggest_a_bernoulli(tmp_path):
    np.save(tmp_path / "x.npy", (np.random.default_rng(0).random((60, 8)) < 0.5).astype(np.uint8))
    data = load(tmp_path / "x.npy")
    assert data.kind.suggests(data).arguments == {"likelihood": "bernoulli"}
