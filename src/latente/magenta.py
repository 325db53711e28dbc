"""The weights of Magenta's sketch-rnn, in and out: the JSON files that sketch-rnn-js and its successors load.

Such a file is a list of what the model is called, the shapes of its tensors, and the tensors as 16-bit integers in base64, where
32767 stands for 10. Magenta's gates come in the order i, g, f, o with 1 added to f at run time; here it is i, f, g, o, and the 1
is part of the bias. Its JavaScript reads zeros before the first point, where the paper and Magenta's Python read a pen that is
down. What is imported therefore starts with zeros, and so should what is to be exported be trained: `--start zeros`.

https://github.com/magenta/magenta-demos/tree/main/sketch-rnn-js
"""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import __version__, recipes
from .abilities import abilities_of
from .errors import RunError
from .nn import LSTM, StrokeDecoder, StrokeEncoder
from .runs import Run, save
from .runs.run import RECORD
from .trace import Model
from .training.checkpoint import WEIGHTS, write_whole
from .trusted import signed

__all__ = ["export_run", "import_run"]

LARGEST, TOP = 10.0, 32767
COMPONENTS = 20  # of sketch-rnn-js
LONGEST = 4096  # points
ORDER = (0, 2, 1, 3)  # i, g, f, o to i, f, g, o and back


def import_run(file: Path | str, out: Path | str) -> Run:
    """Makes a run of a file of Magenta's weights; it has no data of its own.

    Arguments:
        file: The JSON file.
        out: The folder of the run; it must not hold one yet.

    Raises:
        RunError: If the file is damaged or no such file, or there is a run already.
    """
    file, out = Path(file), Path(out)
    if (out / RECORD).exists():
        raise RunError(f"{out} holds a run already: choose another --out")
    info, weights = read_weights(file)
    model = model_of(info, weights, file)
    made_by = model.made_by
    assert made_by is not None
    scale = float(info["scale_factor"])
    record = {
        **made_by,
        "abilities": abilities_of(model).to_json(),
        "data": {
            "source": None,
            "label": None,
            "validation": 0.1,
            "test": 0.1,
            "split": "random",
            "name": str(info.get("name", file.name.partition(".")[0])),
            "kind": "drawings",
            "shape": [int(info["max_seq_len"]) + 1, 3],
            "sizes": {},
            "classes": [],
            "options": {},
            "learned": {
                "location": None,
                "scale": [scale, scale, 1.0],
            },  # its units are those of files that are not public
            "fingerprint": "",
            "note": f"weights of Magenta, from {file.name}",
            "benchmark": f"{info.get('name', file.stem)}, Magenta's weights",
        },
        "settings": {},
        "versions": {"latente": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        save(model, out / WEIGHTS)
        write_whole(out / RECORD, signed({**record, "files": {}}))
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another --out") from None
    return Run(out, record)


def read_weights(file: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Reads the description of a model, and its tensors."""
    try:
        info, shapes, blobs = json.loads(file.read_bytes())
        weights = [
            np.frombuffer(base64.b64decode(blob, validate=True), "<i2").reshape(shape)
            * np.float32(LARGEST / TOP)
            for blob, shape in zip(blobs, shapes, strict=True)
        ]
        if not (0 < float(info["scale_factor"]) < np.inf and 0 < int(info["max_seq_len"]) <= LONGEST):
            raise ValueError("its scale factor or its longest drawing is out of range")
    except FileNotFoundError:
        raise RunError(f"{file} is not there: name a .json of sketch-rnn-js, e.g. bear.gen.json") from None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunError(f"{file} is no file of Magenta's weights, or a damaged one ({error})") from None
    return info, weights


def model_of(info: dict[str, Any], weights: Sequence[np.ndarray], file: Path) -> Model:
    """Makes the model that the shapes of tensors ask for, and gives it the tensors."""
    shapes = [list(w.shape) for w in weights]
    try:
        if len(shapes) not in (5, 17):
            raise ValueError(f"it has {len(shapes)} tensors, where 5 or 17 belong")
        code = shapes[10][0] if len(shapes) == 17 else 0
        hidden, outputs = shapes[-5]
        arguments = {
            "shape": [int(info["max_seq_len"]) + 1, 3],
            "latent": code,
            "cell": "lstm",
            "encoder_cell": "lstm",
            "hidden": hidden,
            "encoder_hidden": shapes[1][0] if code else 256,
            "components": (outputs - 3) // 6,
            "start": "zeros",
        }
        with torch.device("meta"):
            expected = [list(t.shape) for t in tensors(recipes.make("sketch-rnn", **arguments).model)]
        if expected != shapes:
            raise ValueError(f"its tensors have shapes {shapes}, where {expected} belong")
    except (ValueError, IndexError, RunError) as error:
        raise RunError(f"{file} is not of a sketch-rnn of LSTMs: {error}") from None
    model = recipes.make("sketch-rnn", **arguments).model
    place_weights(model, [torch.tensor(w) for w in weights])
    return model.eval()


def export_run(run: Run, file: Path | str) -> Path:
    """Writes a run's model as a file that sketch-rnn-js loads.

    Raises:
        RunError: If it is no sketch-rnn of LSTMs and 20 components, a weight is beyond 10, or the file cannot be written.
    """
    file, model, about = Path(file), run.model, run.record["data"]
    arguments = run.record["arguments"]
    needs = {"cell": "lstm", "components": COMPONENTS} | (
        {"encoder_cell": "lstm"} if arguments.get("latent") else {}
    )
    for name, value in needs.items():
        if arguments.get(name) != value:
            raise RunError(
                f"{run.path} has {name.replace('_', ' ')} {arguments.get(name, 'none')}, and sketch-rnn-js computes {value} "
                f"alone: train one by latente train sketch-rnn --{name.replace('_', '-')} {value}"
            )
    weights = [t.detach().cpu().numpy() for t in tensors(model)]
    largest = max(float(np.abs(w).max()) for w in weights)
    if largest > LARGEST:
        raise RunError(
            f"{run.path} has a weight of size {largest:.1f}, and the format holds sizes up to {LARGEST:g}"
        )
    info = {
        "mode": 1 if arguments["latent"] else 2,
        "version": 6,
        "max_seq_len": about["shape"][0] - 1,
        "name": about["name"],
        "scale_factor": about["learned"]["scale"][0],
    }
    blobs = [
        base64.b64encode((w * (TOP / LARGEST)).round().astype("<i2").tobytes()).decode() for w in weights
    ]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps([info, [list(w.shape) for w in weights], blobs]).encode())
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}") from None
    return file


def nets_of(model: Model) -> tuple[StrokeEncoder | None, StrokeDecoder]:
    decoder = model.get_submodule("likelihood").net
    assert isinstance(decoder, StrokeDecoder)
    if decoder.first is None:
        return None, decoder
    encoder = model.get_submodule("posterior").net
    assert isinstance(encoder, StrokeEncoder)
    return encoder, decoder


def tensors(model: Model) -> list[Tensor]:
    """Returns a model's tensors in Magenta's order and form."""
    encoder, decoder = nets_of(model)
    found: list[Tensor] = []
    if encoder is not None:
        assert decoder.first is not None
        found += [*gates(encoder.forwards), *gates(encoder.backwards)]
        for w, b in zip(encoder.head.weight.chunk(2), encoder.head.bias.chunk(2)):
            found += [w.t(), b]
        found += [decoder.first.weight.t(), decoder.first.bias]
    return [*found, decoder.head.weight.t(), decoder.head.bias, *gates(decoder.cell)]


def gates(cell: nn.Module) -> list[Tensor]:
    assert isinstance(cell, LSTM)
    w, u, b = (
        t.unflatten(0, (4, -1))[list(ORDER)].flatten(0, 1)
        for t in (cell.of_inputs, cell.of_output, cell.bias)
    )
    return [w.t(), u.t(), b - remembered(cell)]


def remembered(cell: LSTM) -> Tensor:
    """Returns the 1 that Magenta adds to f, in its order of gates."""
    return torch.tensor([0.0, 0.0, 1.0, 0.0], device=cell.bias.device).repeat_interleave(cell.units)


@torch.no_grad()
def place_weights(model: Model, weights: Sequence[Tensor]) -> None:
    """Gives a model the tensors that `tensors` would return."""
    encoder, decoder = nets_of(model)
    *left, head, head_bias, w, u, b = weights
    decoder.head.weight.copy_(head.t())
    decoder.head.bias.copy_(head_bias)
    place_gates(decoder.cell, w, u, b)
    if encoder is None:
        return
    assert decoder.first is not None
    place_gates(encoder.forwards, *left[:3])
    place_gates(encoder.backwards, *left[3:6])
    encoder.head.weight.copy_(torch.cat([left[6], left[8]], 1).t())
    encoder.head.bias.copy_(torch.cat([left[7], left[9]]))
    decoder.first.weight.copy_(left[10].t())
    decoder.first.bias.copy_(left[11])


def place_gates(cell: nn.Module, w: Tensor, u: Tensor, b: Tensor) -> None:
    assert isinstance(cell, LSTM)
    for target, source in (
        (cell.of_inputs, w.t()),
        (cell.of_output, u.t()),
        (cell.bias, b + remembered(cell).to(b)),
    ):
        target.copy_(source.unflatten(0, (4, -1))[list(ORDER)].flatten(0, 1))
