"""Where the files of a named set are: the user's folder, the cache, or a mirror.

The order is `$LATENTE_DATA/<folder>/<file>`, `$LATENTE_DATA/<file>`, the cache (`$XDG_CACHE_HOME/latente`
or `~/.cache/latente`), and then the mirrors one after the other. A download streams into a temporary file
beside its place and is renamed only when whole and of the right SHA-256, so that an interrupted one leaves
nothing behind. A file straight in `$LATENTE_DATA` must have the right checksum too: MNIST and Fashion-MNIST
share their files' names.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from ..errors import DataError

__all__ = ["cache_folder", "download", "fetch", "find"]

TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 16


def cache_folder() -> Path:
    """Returns the folder in which downloads are kept; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "latente"
    except RuntimeError:
        raise DataError(
            "there is no home folder to keep downloads in: set XDG_CACHE_HOME to a folder of yours."
        ) from None


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(folders: tuple[str, ...], file: str, sha256: str | None = None) -> Path | None:
    """Finds a set's file in LATENTE_DATA or the cache.

    Arguments:
        folders: The names the set's folder may have, the cache's first.
        file: The name of the file.
        sha256: The checksum a file straight in LATENTE_DATA must have; None where its name is enough.

    Raises:
        DataError: If LATENTE_DATA is set to something that is not a folder.
    """
    given = os.environ.get("LATENTE_DATA")
    if given:
        root = Path(os.path.expanduser(given))
        if not root.is_dir():
            raise DataError(f"LATENTE_DATA is set to {given}, which is not a folder: correct it or unset it.")
        for folder in folders:
            if (root / folder / file).is_file():
                return root / folder / file
        if (root / file).is_file() and (sha256 is None or sha256_of(root / file) == sha256):
            return root / file
    cached = cache_folder() / folders[0] / file
    return cached if cached.is_file() else None


def stream(url: str, target: int, sha256: str) -> str | None:
    """Copies a URL to an open file, which it closes; returns what went wrong on the far side, or None."""
    digest, done = hashlib.sha256(), 0
    with os.fdopen(target, "wb") as out:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "latente"})
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                size = response.headers.get("Content-Length")
                while block := response.read(BLOCK):
                    digest.update(block)
                    done += len(block)
                    try:
                        out.write(block)
                    except OSError as error:
                        raise DataError(f"{out.name}: {error.strerror}; free some space.") from error
        except urllib.error.HTTPError as error:
            error.close()
            return f"{error.code} {error.reason}"
        except urllib.error.URLError as error:
            return str(error.reason)
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
    if size is not None and size.isdigit() and done < int(size):
        return f"only {done:,} of {int(size):,} bytes came"
    return None if digest.hexdigest() == sha256 else "another file than expected (wrong SHA-256)"


def download(urls: tuple[str, ...], path: Path, sha256: str) -> Path:
    """Downloads a file from the first of its mirrors that has it whole.

    Arguments:
        urls: The mirrors, best first.
        path: Where the file shall be.
        sha256: Its checksum.

    Raises:
        DataError: If no mirror has it, or the cache cannot be written.
    """
    failures = []
    for url in urls:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            target, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        except OSError as error:
            raise DataError(
                f"The cache {path.parent} cannot be written ({error.strerror}): set XDG_CACHE_HOME to "
                "a folder of yours, or LATENTE_DATA to one that holds the data."
            ) from error
        try:
            failure = stream(url, target, sha256)
            if failure is None:
                os.replace(temporary, path)
                return path
        finally:
            Path(temporary).unlink(missing_ok=True)
        failures.append(f"{url}: {failure}")
    raise DataError(
        f"{path.name} could not be downloaded ({'; '.join(failures)}). "
        f"Put it in a folder {path.parent.name} and set LATENTE_DATA to the folder around that."
    )


def fetch(folders: tuple[str, ...], file: str, urls: tuple[str, ...], sha256: str) -> Path:
    """Finds a set's file, or downloads it into the cache.

    Raises:
        DataError: If it is nowhere.
    """
    here = find(folders, file, sha256)
    return here or download(tuple(f"{url}{file}" for url in urls), cache_folder() / folders[0] / file, sha256)
