"""Vectors: rows of numbers without names, as arrays hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..data.kind import Data, Kind, Suggestion
from ..errors import DataError
from ..pictures import of_columns

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..data.scaling import Scaling


class Vectors(Kind):
    """Rows of numbers without names."""

    name, noun, nouns = "vectors", "vector", "vectors"
    has = frozenset({"columns"})
    pictures = of_columns.PICTURES
    is_general = True
    stands_for = frozenset({"table"})
    usual: ClassVar[Mapping[str, str]] = {"recipe": "vae", "data": "a .npy or .npz of shape (N, D)"}
    hint = "an array (N, D), .npy or .npz"

    def recognise(self, path: Path) -> bool:
        """Takes no file: whether arrays are vectors or images their shape says when they are read."""
        return False

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        return {}

    def read(self, path: Path, options: Any, label: str | None = None, columns: Sequence[str] = ()) -> Raw:
        from ..data import arrays

        if path.suffix.lower() == ".npz":
            return arrays.read_npz(path, label)
        self.refuse_label(path, label)
        return arrays.read_npy(path)

    def clean(self, raw: Raw, where: str, options: Any) -> Raw:
        from ..data.scaling import told_of_counts

        return told_of_counts(raw)

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: Any) -> Scaling:
        """Standardises each number, but leaves vectors that lie in [0, 1] as they are."""
        from ..data.scaling import Scaling, column_scaling, lies_in_unit

        return Scaling() if lies_in_unit(raw.x) else column_scaling(raw, rows, where)

    def restored(self, recorded: Mapping[str, Any]) -> Scaling:
        from ..data.scaling import Scaling

        return Scaling.of_json(recorded)

    def suggests(self, data: Data) -> Suggestion:
        """Takes vectors of 0 and 1 alone for bits."""
        x = data.train.x
        if not bool(((x == 0) | (x == 1)).all()):
            return Suggestion()
        return Suggestion({"likelihood": "bernoulli"}, why="all numbers are 0 or 1")

    def record(self, data: Data) -> dict[str, Any]:
        learned: Scaling = data.learned
        return learned.to_json()

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Scaling) -> Examples:
        from ..data.scaling import scaled

        return scaled(raw, rows, learned)

    def read_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> Examples:
        from ..data.scaling import lies_in_unit

        if about["learned"]["scale"] is None and not lies_in_unit(raw.x):
            raise DataError(
                f"{source} has values between {raw.x.min():g} and {raw.x.max():g} where the run was trained "
                "on values in [0, 1]: scale them as before."
            )
        return super().read_like(raw, about, source)

    def is_read_alike(self, data: Data, about: Mapping[str, Any]) -> bool:
        learned: Scaling = data.learned
        return learned.scale is None and about["learned"].get("scale") is None

    def inverse(self, x: Tensor, learned: Scaling) -> Tensor:
        return learned.inverse(x)
