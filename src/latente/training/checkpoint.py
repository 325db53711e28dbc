"""Checkpoints: whole or not at all, and never a pickle.

A checkpoint is a folder of safetensors files, one per process that had something to save, with everything that is not a
tensor as JSON in their headers, and a `SHA256SUMS` over them. It is written under another name, synchronised to the disk and
renamed; so a folder of the right name is complete, whatever killed the run, and a byte that changed since is noticed.
PyTorch's own sharded format is not used because its index is a pickle; sharded tensors are stored here as the slices that the
processes hold, and put together, or cut again, for whatever number of processes reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from ..errors import RunError
from ..trusted import Damaged, read_json
from . import processes

__all__ = [
    "CHECKPOINTS",
    "WEIGHTS",
    "Part",
    "gather",
    "newest",
    "read_checkpoint",
    "read_newest",
    "read_tensors",
    "restore",
    "save_weights",
    "tidy",
    "write_checkpoint",
    "write_whole",
]

CHECKPOINTS, WEIGHTS = "checkpoints", "model.safetensors"
CHECKPOINTS_KEPT = 2


class Part(Protocol):
    """Owns a part of the state of a training run: `restore` takes what `tensors` and `about` gave."""

    def tensors(self) -> Mapping[str, Tensor]: ...

    def about(self) -> dict[str, Any]: ...

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None: ...


def gather(parts: Mapping[str, Part]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the tensors of all parts, each under its part's name, and the JSON of each part."""
    tensors = {f"{part}.{name}": t for part, of in parts.items() for name, t in of.tensors().items()}
    return tensors, {part: of.about() for part, of in parts.items()}


def restore(parts: Mapping[str, Part], tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Gives each part back what `gather` took of it.

    Raises:
        RunError: If a part is of another model.
    """
    groups: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
    for name, t in tensors.items():
        part, _, rest = name.partition(".")
        groups[part][rest] = t
    for part, of in parts.items():
        of.restore(groups[part], about[part])


def synchronise(path: Path) -> None:
    """Makes sure that a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it has either its old content or the new one, whatever happens."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk does not say of which file
        part.unlink(missing_ok=True)
        raise
    synchronise(path.parent)


def pack(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Serialises tensors, with JSON and a checksum of both in the header."""
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    said = json.loads(json.dumps(about))
    text = json.dumps({**said, "sha256": digest_of(whole, said)})  # one entry: more would come in any order
    return serialise(whole, metadata={"latente": text})


def digest_of(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of tensors, by name, and of what is said of them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        digest.update(t.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(path: Path, weights: Mapping[str, Tensor], made_by: Mapping[str, Any] | None) -> None:
    """Writes a model's tensors, and what made it as JSON in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, pack(weights, made_by or {}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors of a safetensors file and the JSON in its header, and checks that no byte of either changed.

    Raises:
        RunError: If the file is damaged, or not one of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            about = read_json((file.metadata() or {})["latente"].encode())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.pop("sha256") != digest_of(tensors, about):
            raise Damaged("it changed since it was written: its checksum does not match")
        return tensors, about
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise RunError(
            f"{path} is damaged or was not written by latente ({error}): use another file"
        ) from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None


def sums(folder: Path) -> bytes:
    """Returns the SHA256SUMS that a folder must have, for `sha256sum --check` as much as for us."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files).encode()


def split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Returns what this process has to write: its slices, and on the first process the whole tensors too."""
    sharded = [name for name, t in tensors.items() if processes.is_sharded(t)]
    mine = {n: t.to_local() if processes.is_sharded(t) else t for n, t in tensors.items()}
    return {n: t for n, t in mine.items() if n in sharded or processes.rank() == 0}, sharded


def write_checkpoint(root: Path, step: int, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Path:
    """Writes the checkpoint of a step and forgets all but the last two. Every process must call it.

    Raises:
        OSError: If the disk is full or may not be written; the checkpoints that were there stay.
    """
    final, part = root / f"{step:08d}", root / f".{step:08d}.part"
    mine, sharded = split(tensors)

    def prepare() -> None:
        root.mkdir(parents=True, exist_ok=True)
        for old in root.glob(".*.part"):
            shutil.rmtree(old)
        part.mkdir()

    def write() -> None:
        name = f"state-{processes.rank() + 1}-of-{processes.world() if sharded else 1}.safetensors"
        write_whole(part / name, pack(mine, {**about, "sharded": sharded}))

    def finish() -> None:
        write_whole(part / "SHA256SUMS", sums(part))
        if final.exists():
            shutil.rmtree(final)
        part.rename(final)
        synchronise(root)
        for old in sorted(path for path in root.iterdir() if path.name.isdigit())[:-CHECKPOINTS_KEPT]:
            shutil.rmtree(old)

    first = processes.rank() == 0
    try:
        for stage, is_mine in ((prepare, first), (write, first or bool(sharded)), (finish, first)):
            processes.together(stage if is_mine else None)
    except OSError:
        if first:
            shutil.rmtree(part, ignore_errors=True)
        raise
    return final


def tidy(root: Path) -> None:
    """Removes what a kill between two steps of `write_checkpoint` left: parts, and all but the last two checkpoints."""
    with contextlib.suppress(OSError):
        for old in [*root.glob(".*.part"), *list(newest(root))[CHECKPOINTS_KEPT:]]:
            shutil.rmtree(old, ignore_errors=True)


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a checkpoint after checking every byte of it, and puts sharded tensors together.

    Raises:
        RunError: If a file is missing, cut short or changed; the message names the folder.
    """
    try:
        damaged = (folder / "SHA256SUMS").read_bytes() != sums(folder)
    except OSError as error:
        raise RunError(f"checkpoint {folder} is incomplete: {error.strerror}") from None
    if damaged:
        raise RunError(f"checkpoint {folder} is damaged: its files do not match their SHA256SUMS")
    parts = [read_tensors(path) for path in sorted(folder.glob("*.safetensors"))]
    try:
        tensors, about = parts[0]
        for name in about["sharded"]:
            tensors[name] = torch.cat([part[name] for part, _ in parts])
    except (LookupError, TypeError, RuntimeError) as error:
        raise RunError(f"checkpoint {folder} is damaged: {error}") from None
    return tensors, about


def newest(root: Path) -> Iterator[Path]:
    """Lists the checkpoints of a run, the newest first."""
    if root.is_dir():
        yield from sorted((path for path in root.iterdir() if path.name.isdigit()), reverse=True)


def read_newest(root: Path, say: Callable[[str], None]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Reads the newest checkpoint that is whole; None if there are no checkpoints.

    Arguments:
        root: The folder of the checkpoints.
        say: Is called with a message for each that is damaged.

    Raises:
        RunError: If all of them are damaged.
    """
    folders = list(newest(root))
    for folder in folders:
        try:
            return read_checkpoint(folder)
        except RunError as error:
            say(f"{error}; trying the one before")
    if folders:
        raise RunError(f"no checkpoint in {root} is whole: start a new run with another --out")
    say(f"no checkpoint in {root}: starting from the first step")
    return None
