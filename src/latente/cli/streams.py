"""What the terminal, a pipe or a file takes of what is printed, whatever its encoding; files of our own are always UTF-8."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

__all__ = ["prepare"]

PLAIN = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": "x", "·": ".", "…": "...", "≥": ">=", "≤": "<=", "≈": "~", "→": "->",
        "±": "+/-", "∞": "inf",         "’": "'", "“": '"', "”": '"', "√": "sqrt", "∑": "sum", "²": "^2", "ℓ": "l",
        "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "θ": "theta", "λ": "lambda", "μ": "mu", "σ": "sigma",
        "τ": "tau", "φ": "phi", "ϕ": "phi", "π": "pi", "ρ": "rho", "ω": "omega",
    }
)  # fmt: skip


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Writes in plain letters what an encoding has no word for."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    apart = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return apart or "?" * (error.end - error.start), error.end


def prepare() -> None:
    """Lets the standard streams say everything, or nothing where they are closed."""
    codecs.register_error("latente", plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="latente")
