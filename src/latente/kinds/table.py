"""Tables: rows of numbers in columns with names, standardised one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..data.kind import Data, Kind
from ..errors import DataError
from ..pictures import of_columns

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..data.scaling import Scaling


BY_PANDAS = "pandas.read_{}(file).to_parquet('table.parquet')"
CONVERSIONS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".xlsm"), "save it as .csv, UTF-8"),
    **{f".{s}": f"convert it by {BY_PANDAS.format(s)}" for s in ("feather", "orc", "json", "xml", "html")},
    **dict.fromkeys((".arrow", ".ipc"), f"convert it by {BY_PANDAS.format('feather')}"),
    **dict.fromkeys((".sav", ".zsav"), f"convert it by {BY_PANDAS.format('spss')}"),
    **dict.fromkeys((".dta",), f"convert it by {BY_PANDAS.format('stata')}"),
    **dict.fromkeys((".sas7bdat", ".xpt"), f"convert it by {BY_PANDAS.format('sas')}"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib", ".pt", ".pth"),
        "it is never loaded, as it may run code: save its table as .csv or its arrays as .npz",
    ),
    **dict.fromkeys(
        (".h5", ".hdf5", ".h5ad", ".mat", ".nc", ".zarr"), "save the array as .npy or .npz, by numpy.save"
    ),
    **dict.fromkeys((".mtx",), "save it by scipy.sparse.save_npz"),
    **dict.fromkeys((".rds", ".rdata"), "save it as .csv, by write.csv(table, file, row.names=FALSE)"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "save its table as .csv"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "unpack it"),
    **dict.fromkeys((".bz2", ".zst"), "unpack it, or pack it by gzip"),
    **dict.fromkeys(
        (".data", ".dat", ".tab", ".txt", ".asc"), "if it is a table, name it .csv, whatever its separator is"
    ),
}


@dataclass(frozen=True)
class TableOptions:
    """Holds how a table is read, and which of its columns are no features."""

    header: Annotated[
        Literal["auto", "yes", "no"], Field(description="whether the first line of a .csv names the columns")
    ] = "auto"
    decimal: Annotated[
        Literal["auto", ".", ","], Field(description="decimal sign of the numbers in a .csv")
    ] = "auto"
    id: Annotated[
        str,
        Field(
            description="column of ids, or several with commas between: no features, passed through to tables"
        ),
    ] = ""
    without: Annotated[
        str,
        Field(
            description="columns of a table to leave out, with commas between; none keeps those that number the rows"
        ),
    ] = ""
    group: Annotated[
        str, Field(description="column of a table whose rows of one value stay in one split; no feature")
    ] = ""


class Table(Kind):
    """Rows of a table, all of whose columns are numbers."""

    name, noun, nouns = "table", "row", "rows"
    has = frozenset({"columns"})
    pictures = of_columns.PICTURES
    is_general = True
    stands_for = frozenset({"vectors"})
    usual: ClassVar[Mapping[str, str]] = {"recipe": "vae", "data": "a .csv"}
    hint = "a .csv, .tsv or .parquet with one row per example"
    suffixes = (".csv", ".tsv", ".parquet", ".pq")
    elsewhere: ClassVar[Mapping[str, str]] = CONVERSIONS
    of_source = frozenset({"header", "decimal", "id", "without", "group"})
    Options = TableOptions

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        return {}

    def not_for(self, source: str, option: str) -> DataError:
        return DataError(f"{source} is no table with columns: leave {option} (--{option}) out.")

    def recognise(self, path: Path) -> bool:
        """Takes a folder of nothing but tables as well, to say what to do with it."""
        if not path.is_dir():
            return super().recognise(path)
        held = [each for each in path.iterdir() if not each.name.startswith((".", "_"))]
        return bool(held) and all(each.is_file() and super(Table, self).recognise(each) for each in held)

    def read(self, path: Path, options: Any, label: str | None = None, columns: Sequence[str] = ()) -> Raw:
        from ..data.parquet import read_parquet
        from ..data.tables import read_csv

        if path.is_dir():
            raise DataError(
                f"{path} is a folder of {len(list(path.iterdir()))} tables: put their rows into one file, as by "
                "pandas.read_parquet(folder).to_parquet(file)."
            )
        reader = read_parquet if path.suffix.lower() in (".parquet", ".pq") else read_csv
        return reader(path, options, label, columns)

    def clean(self, raw: Raw, where: str, options: Any) -> Raw:
        from ..data.scaling import told_of_counts

        return told_of_counts(raw)

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: Any) -> Scaling:
        from ..data.scaling import column_scaling

        return column_scaling(raw, rows, where)

    def restored(self, recorded: Mapping[str, Any]) -> Scaling:
        from ..data.scaling import Scaling

        return Scaling.of_json(recorded)

    def record(self, data: Data) -> dict[str, Any]:
        learned: Scaling = data.learned
        return learned.to_json()

    def read_columns(self, about: Mapping[str, Any]) -> Sequence[str]:
        return tuple(about["learned"]["columns"])

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Scaling) -> Examples:
        from ..data.scaling import scaled

        return scaled(raw, rows, learned)

    def is_read_alike(self, data: Data, about: Mapping[str, Any]) -> bool:
        learned: Scaling = data.learned
        return learned.scale is None and about["learned"].get("scale") is None

    def inverse(self, x: Tensor, learned: Scaling) -> Tensor:
        return learned.inverse(x)

    def columns(self, data: Data, many: int) -> Sequence[str]:
        learned: Scaling = data.learned
        return learned.columns
