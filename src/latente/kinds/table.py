"""Tables: rows of numbers in columns with names, standardised one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..data.kind import Data, Kind
from ..pictures import of_columns

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..data.scaling import Scaling


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
    without: Annotated[str, Field(description="columns of a table to leave out, with commas between")] = ""
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
    of_source = frozenset({"header", "decimal", "id", "without", "group"})
    Options = TableOptions

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        return {}

    def read(self, path: Path, options: Any, label: str | None = None, columns: Sequence[str] = ()) -> Raw:
        from ..data.tables import read_csv, read_parquet

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
