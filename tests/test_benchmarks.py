"""Benchmarks find their data where the tests do, and say in one line which variable to set where they do not."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
UNREACHABLE = dict.fromkeys(["http_proxy", "https_proxy"], "http://127.0.0.1:9")


def python(*words, **environment):
    kept = {
        n: v
        for n, v in os.environ.items()
        if n not in ("LATENTE_DATA", "LATENTE_TEST_DATA", "no_proxy", "NO_PROXY")
    }
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=BENCHMARKS,
        env=kept | {"OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )


LINE = "a data set is missing: set LATENTE_DATA to the folder of the data sets (now not set)"


def test_a_benchmark_without_data_names_the_variable_in_one_line(tmp_path):
    places = {"LATENTE_TEST_DATA": str(tmp_path / "nowhere"), "XDG_CACHE_HOME": str(tmp_path)}
    done = python("mnist.py", tmp_path / "run", **places, **UNREACHABLE)
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"mnist.py: {LINE}"])


def test_so_does_one_whose_process_has_none(tmp_path):
    child = "raise SystemExit('put it there, or set LATENTE_DATA')"
    code = (
        "import common, subprocess, sys; "
        f'subprocess.run([sys.executable, "-c", "{child}"], capture_output=True, text=True, check=True)'
    )
    done = python("-c", code, LATENTE_TEST_DATA=str(tmp_path / "nowhere"))
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"-c: {LINE}"])


def test_benchmarks_read_the_data_of_the_tests(tmp_path):
    code = "import os, common; print(os.environ['LATENTE_DATA']); os.environ['LATENTE_DATA'] = 'own'; common.find_data(); "
    done = python("-c", code + "print(os.environ['LATENTE_DATA'])", LATENTE_TEST_DATA=str(tmp_path))
    assert done.stdout.splitlines() == [str(tmp_path), "own"]


def test_other_errors_of_a_benchmark_are_shown_whole():
    done = python("-c", "import common; 1 / 0")
    assert done.returncode == 1 and done.stderr.startswith("Traceback") and "ZeroDivisionError" in done.stderr
