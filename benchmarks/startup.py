"""How long `latente --help` and a mistyped option take, in fresh processes."""

import subprocess
import sys
import time
from pathlib import Path

from common import median, store

CALLS = {
    "--help": ["--help"],
    "train vae --help": ["train", "vae", "--help"],
    "unknown option": ["train", "vae", "--latnt", "3"],
    "unknown recipe": ["train", "vea"],
    "value out of range": ["train", "vae", "--latent", "0"],
    "unknown command": ["trian"],
}


def seconds(arguments):
    program = Path(sys.executable).with_name("latente")
    started = time.perf_counter()
    subprocess.run([program, *arguments], capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    for arguments in CALLS.values():
        seconds(arguments)
    store("startup", {name: median([seconds(a) for _ in range(9)]) for name, a in CALLS.items()})
