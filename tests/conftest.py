"""Fixtures that all tests share."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor


@pytest.fixture(autouse=True, scope="session")
def few_threads() -> None:
    # one by default: these tensors are small, and pytest -n takes the cores
    torch.set_num_threads(int(os.environ.get("LATENTE_TEST_THREADS", 1)))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def latente(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Calls the command line in this process; returns its exit status, its output and its errors."""
    from latente import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["latente", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capfd.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def agrees() -> Callable[[Tensor, Tensor | float], None]:
    """Holds the mean of draws over the first dimension against its expectation, to five standard errors."""

    def check(draws: Tensor, expected: Tensor | float) -> None:
        draws = draws.detach().double()
        error = draws.std(0) / math.sqrt(len(draws)) + 1e-12
        distance = (draws.mean(0) - torch.as_tensor(expected).detach()).abs() / error
        assert distance.max() < 5, f"{distance.max():.1f} standard errors from what is expected"

    return check


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, which are not shipped with the package."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LATENTE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real data is not there: set LATENTE_TEST_DATA (now {folder.name!r}) to its folder")
    return folder
