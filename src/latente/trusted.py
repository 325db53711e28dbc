"""Files of JSON that carry their own checksum, so that a byte that changed since they were written is noticed.

A checksum is the SHA-256 of the content without it, written in one way. Reading is bounded: no file of a run is larger than
`LARGEST`, and what is nested too deep, repeats a name or holds a number that JSON does not know is refused like any damage.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

__all__ = ["Damaged", "line_of", "read_json", "read_line", "read_signed", "signed"]

LARGEST = 256_000_000  # bytes
SIGNATURE, CHECK = "sha256", "crc"


class Damaged(ValueError):
    """Says what is wrong with a file."""


def plain(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=True).encode()


def signed(content: Mapping[str, Any]) -> bytes:
    """Writes content with its checksum, which comes last.

    Example:
        >>> read_signed(signed({"steps": 3}))
        {'steps': 3}
    """
    kept = json.loads(plain(content))
    digest = hashlib.sha256(plain(kept)).hexdigest()
    return json.dumps({**content, SIGNATURE: digest}, indent=1).encode()


def read_signed(content: bytes) -> dict[str, Any]:
    """Reads what `signed` wrote.

    Raises:
        Damaged: If it changed since.
    """
    found = read_json(content)
    digest = found.pop(SIGNATURE, None)
    if digest is None:
        raise Damaged("it has no checksum, or is of another version")
    if digest != hashlib.sha256(plain(found)).hexdigest():
        raise Damaged("it changed since it was written: its checksum does not match")
    return found


def read_json(content: bytes) -> dict[str, Any]:
    """Reads an object of JSON.

    Raises:
        Damaged: If it is none.
    """
    if len(content) > LARGEST:
        raise Damaged(f"it has {len(content):,} bytes")
    try:
        found = json.loads(content, object_pairs_hook=once)
    except RecursionError:
        raise Damaged("it is nested too deep") from None
    except ValueError as error:
        raise Damaged(str(error)) from None
    if not isinstance(found, dict):
        raise Damaged("it holds no fields by name")
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Damaged("it names a field twice")
    return found


def line_of(figures: Mapping[str, Any]) -> bytes:
    """Writes a line of a log, which ends with a checksum of what is before it.

    Example:
        >>> line_of({"step": 1})
        b'{"step": 1, "crc": "3a87913d"}\\n'
        >>> read_line(line_of({"step": 1}))
        {'step': 1}
    """
    text = json.dumps(figures).encode()
    return text[:-1] + f', "{CHECK}": "{zlib.crc32(text):08x}"}}\n'.encode()


def read_line(line: bytes) -> dict[str, Any]:
    """Reads a line that `line_of` wrote.

    Raises:
        Damaged: If it changed since.
    """
    found = read_json(line)
    check = found.pop(CHECK, None)
    text, cut, _ = line.rpartition(f', "{CHECK}": '.encode())
    if not cut or check != f"{zlib.crc32(text + b'}'):08x}":
        raise Damaged("its checksum does not match")
    return found
