"""The file of compressed data: what it was made of and with, the words, and a checksum over all of it.

=============  ==========================================================================
8 bytes        `LATENTE1`
4 bytes        the length of the header, the least byte first
header         JSON: the model, the arithmetic, the number and shape of the examples
words          of 32 bits, the least byte first
32 bytes       the SHA-256 of all before
=============  ==========================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

__all__ = ["pack", "unpack"]

MAGIC, LENGTH, CHECKSUM = b"LATENTE1", 4, 32


def pack(header: Mapping[str, Any], words: np.ndarray) -> bytes:
    """Returns the content of a file."""
    about = json.dumps(header, sort_keys=True).encode()
    content = MAGIC + len(about).to_bytes(LENGTH, "little") + about + words.astype("<u4").tobytes()
    return content + hashlib.sha256(content).digest()


def unpack(path: Path | str) -> tuple[dict[str, Any], np.ndarray]:
    """Reads a file: its header and its words.

    Raises:
        DataError: If it cannot be read, is none of ours, or was changed by a single bit.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    if not content.startswith(MAGIC):
        raise DataError(f"{path} is no file of latente compress: name one that it wrote")
    body, checksum = content[:-CHECKSUM], content[-CHECKSUM:]
    if hashlib.sha256(body).digest() != checksum:
        raise DataError(
            f"{path} is damaged or cut short (its checksum does not match): fetch or make it again"
        )
    start = len(MAGIC) + LENGTH
    end = start + int.from_bytes(body[len(MAGIC) : start], "little")
    return json.loads(body[start:end]), np.frombuffer(body[end:], "<u4")
