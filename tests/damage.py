"""Damage done to files at random, and the readers of each: whatever comes, the same as before or a sentence.

Run as a script it does more of it, and prints a table: `python tests/damage.py 400 benchmarks/results/damage.json`.
"""

import collections
import contextlib
import gzip
import io
import json
import random
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from latente import evaluation, load, runs
from latente.data import load as load_data
from latente.data import read
from latente.data.vocabulary import Vocabulary
from latente.errors import LatenteError
from latente.magenta import import_run
from latente.runs import Run
from latente.training.checkpoint import read_checkpoint

SECONDS, MEMORY = 20, 2_000_000_000


# ---------------------------------------------------------------------------------------------------- damage


def damaged(content, rng):
    """Damages bytes in one of several ways."""
    content = bytearray(content)
    n = len(content)
    way = rng.choice(["flip", "bytes", "cut", "hole", "insert", "swap", "json"])
    if way == "flip" and n:
        content[rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif way == "bytes" and n:
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(n)] = rng.randrange(256)
    elif way == "cut":
        del content[rng.randrange(n + 1) :]
    elif way == "hole" and n:
        i = rng.randrange(n)
        del content[i : i + rng.randint(1, 64)]
    elif way == "insert":
        i = rng.randrange(n + 1)
        content[i:i] = rng.randbytes(rng.randint(1, 32))
    elif way == "swap" and n > 2:
        i, j = sorted(rng.sample(range(n), 2))
        content[i], content[j] = content[j], content[i]
    else:
        return edited(bytes(content), rng)
    return bytes(content)


def edited(content, rng):
    """Edits JSON, or a number in text: another type, a missing key, a huge number, a deep nest."""
    odd = [
        None,
        "x",
        -1,
        1e308,
        10**400,
        [],
        {},
        float("nan"),
        True,
        "é" * 3,
        json.loads("[" * 500 + "]" * 500),
    ]
    try:
        found = json.loads(content)
        places = list(inner(found))
        where, key = rng.choice(places)
        if rng.random() < 0.3 and isinstance(where, dict):
            del where[key]
        else:
            where[key] = rng.choice(odd)
        return json.dumps(found).encode()
    except (ValueError, IndexError, TypeError):
        return content.replace(
            bytes([rng.choice(b"0123456789")]), rng.choice([b"9e99", b"-", b"", b"NaN"]), 1
        )


def inner(found):
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        yield found, key
        if isinstance(value, dict | list):
            yield from inner(value)


# --------------------------------------------------------------------------------------------- files of a run


def make_run(folder):
    """Trains a run in a moment, and measures it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 4))
    np.savetxt(folder / "t.csv", x, "%.4f", ",", header="a,b,c,d", comments="")
    how = {
        "steps": 20,
        "evaluate_every": 10,
        "checkpoint_every": 10,
        "log_every": 5,
        "threads": 1,
        "batch": 16,
    }
    run = runs.train(
        "vae", str(folder / "t.csv"), folder / "run", arguments={"latent": 2, "hidden": [8]}, **how
    )
    evaluation.evaluate(run, k=5)
    return run


def weights_in(path):
    return {name: t.tolist() for name, t in load(path).state_dict().items()}


def figures_in(path):
    run = Run.open(path)
    found = evaluation.stored_evaluation(run)
    return None if found is None else found.to_json()


OF_RUN = {  # a file of a run, and what is read of it; the last says whether damage may leave something out, with a warning
    "model.safetensors": (weights_in, False),
    "run.json": (lambda path: json.dumps(dict(Run.open(path).record), sort_keys=True), False),
    "split.npz": (lambda path: {n: rows.tolist() for n, rows in Run.open(path).split().items()}, False),
    "evaluation.json": (figures_in, True),
    "metrics.jsonl": (lambda path: Run.open(path).metrics(), True),
    "checkpoints/00000020/state-1-of-1.safetensors": (
        lambda path: {n: t.tolist() for n, t in read_checkpoint(path / "checkpoints/00000020")[0].items()},
        False,
    ),
    "checkpoints/00000020/SHA256SUMS": (
        lambda path: {n: t.tolist() for n, t in read_checkpoint(path / "checkpoints/00000020")[0].items()},
        False,
    ),
}


def is_part_of(found, whole):
    """Tells whether what was read is what was there, or a part of it."""
    if found is None or isinstance(found, dict):
        return found is None or found == whole
    return all(line in whole for line in found)


# ------------------------------------------------------------------------------------------------ input formats


def picture(kind):
    from PIL import Image

    rng = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (9, 8), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def array(write, **arrays):
    file = io.BytesIO()
    write(file, **arrays) if arrays else write(file, np.random.default_rng(0).random((30, 4)))
    return file.getvalue()


def parquet():
    import pyarrow
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table({"a": np.arange(30.0), "b": np.arange(30), "y": ["u", "v"] * 15}), file
    )
    return file.getvalue()


def strokes():
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(200, 2)), np.tile([0, 0, 0, 0, 1], 40)])
    return array(np.savez, strokes=rows.astype(np.float32), offsets=np.arange(0, 201, 10))


def text_of(n=30):
    rng = random.Random(0)
    return "\n".join(
        " ".join(rng.choices(["a", "bird", "sings", "loud", "é"], k=rng.randint(2, 7))) for _ in range(n)
    ).encode()


CSV = "a,b,y\n" + "".join(f"{i},{i * i / 7:.3f},{'uv'[i % 2]}\n" for i in range(30))
SHAPES = [[[[0, i, 9], [0, 5, i]], [[3, 4], [4, i]]] for i in range(12)]
NDJSON = "".join(json.dumps({"word": "cat", "recognized": True, "drawing": s}) + "\n" for s in SHAPES)
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><symbol id="s" viewBox="0 0 9 9"><path d="M0 0L9 9"/></symbol>'
    '<g transform="rotate(30)"><circle cx="5" cy="5" r="3"/><use href="#s" width="20" height="20"/></g></svg>'
)
IDX = b"\0\0\x08\x03" + np.array([12, 5, 4], ">u4").tobytes() + bytes(range(240))
CAPTIONS = "file,caption\n" + "".join(f"{i}.png,a picture of {i}\n" for i in range(12))
COCO = {
    "images": [{"id": i, "file_name": f"{i}.png"} for i in range(12)],
    "annotations": [{"image_id": i, "caption": f"a picture of {i}"} for i in range(12)],
}


def in_folder(name):
    """Reads a file beside the others of its folder: pictures with captions, or pictures alone."""

    def reader(path):
        folder = path.parent / "folder"
        folder.mkdir(exist_ok=True)
        for i in range(12):
            (folder / f"{i}.png").write_bytes(PNG)
        (folder / name).write_bytes(path.read_bytes())
        load_data(folder)

    return reader


PNG = picture("PNG")
OF_INPUT = {  # the name of a file, its content, and what reads it
    "t.csv": (CSV.encode, lambda path: load_data(path, label="y")),
    "t.csv.gz": (lambda: gzip.compress(CSV.encode()), lambda path: load_data(path, label="y")),
    "t.parquet": (parquet, lambda path: load_data(path, label="y")),
    "x.npy": (lambda: array(np.save), load_data),
    "x.npz": (
        lambda: array(np.savez, x=np.random.default_rng(0).random((30, 4)), y=np.arange(30) % 3),
        load_data,
    ),
    "packed.npz": (
        lambda: array(np.savez_compressed, x=np.arange(600, dtype=np.uint8).reshape(30, 5, 4)),
        load_data,
    ),
    "train-images-idx3-ubyte": (lambda: IDX, load_data),
    "s.txt": (text_of, load_data),
    "d.ndjson": (NDJSON.encode, load_data),
    "d.svg": (SVG.encode, read),
    "d.npz": (strokes, load_data),
    "p.png": (lambda: PNG, read),
    "p.jpg": (lambda: picture("JPEG"), read),
    "p.gif": (lambda: picture("GIF"), read),
    "p.tif": (lambda: picture("TIFF"), read),
    "in a folder.png": (lambda: PNG, in_folder("3.png")),
    "captions.csv": (CAPTIONS.encode, in_folder("captions.csv")),
    "captions.json": (lambda: json.dumps(COCO).encode(), in_folder("captions.json")),
    "vocabulary": (
        lambda: Vocabulary.learn(["a red cat", "a dog"], "bpe").spec.encode(),
        lambda path: Vocabulary(path.read_text("utf-8", "replace")).encode(["a red dog"]),
    ),
    "magenta.json": (
        lambda: json.dumps(
            [{"max_seq_len": 3, "scale_factor": 1.0, "name": "cat"}, [[1, 2]], ["AAAA"]]
        ).encode(),
        lambda path: import_run(path, path.parent / f"m{random.random()}"),
    ),
}


# ----------------------------------------------------------------------------------------------------- trying


class Hangs(Exception):
    """Is raised where a reader takes too long."""


@contextlib.contextmanager
def in_time(seconds=SECONDS):
    def late(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(reader, path):
    """Reads a file; returns what came of it, and what was read."""
    try:
        with in_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "read", reader(path)
    except LatenteError as error:
        return ("refused", None) if "\n" not in str(error).strip() else ("several lines", None)
    except Hangs:
        return "hang", None
    except Exception as error:  # what must not come
        return f"trace: {type(error).__name__}: {error}"[:160], None


def try_run(folder, name, n, seed=0):
    """Damages a file of a run again and again; yields what came of it."""
    reader, may_lack = OF_RUN[name]
    path = folder / "run" / name
    whole, rng = path.read_bytes(), random.Random(f"{name} {seed}")
    expected = reader(folder / "run")
    try:
        for _ in range(n):
            bad = damaged(whole, rng)
            path.write_bytes(bad)
            what, found = outcome(reader, folder / "run")
            if what == "read":
                same = is_part_of(found, expected) if may_lack else repr(found) == repr(expected)
                what = "the same" if same else "changed"
            yield what, bad
    finally:
        path.write_bytes(whole)


def try_input(folder, name, n, seed=0):
    """Damages a file of data again and again; yields what came of it."""
    make, reader = OF_INPUT[name]
    whole, rng = make(), random.Random(f"{name} {seed}")
    for _ in range(n):
        bad = damaged(whole, rng)
        (folder / name).write_bytes(bad)
        yield outcome(reader, folder / name)[0], bad


BAD = ("trace", "hang", "changed", "several")


def main(n, file=None):
    """Tries each file n times, prints what came of it, and writes it as JSON where a file is named."""
    torch.set_num_threads(1)
    table = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_run(folder)
        tries = [(each, try_run) for each in OF_RUN] + [(each, try_input) for each in OF_INPUT]
        for each, trial in tries:
            counts = collections.Counter(what for what, _ in trial(folder, each, n))
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            table[each] = {**counts, "memory_gb": round(most / 1e9, 2)}
            print(f"{each:48} {table[each]}", flush=True)
    if file is not None:
        tried = sum(sum(v for k, v in row.items() if k != "memory_gb") for row in table.values())
        command = f"python tests/damage.py {n} {file}"
        Path(file).write_text(
            json.dumps({"command": command, "tried": tried, "files": table}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:3])
