"""Arrays out of a pickle that nobody runs.

The files that sketch-rnn made popular keep their drawings as arrays of arrays, which numpy can only write as a pickle: a small
program that, when run, may call anything. Here its instructions are read one by one (`pickletools` of the standard library
decodes them) and only those are followed that put numbers into arrays and arrays into a list. What a pickle names is compared
with the five names that this takes, and never looked up; every other instruction is an error.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["arrays"]

NAMES = {
    f"{package}.{name}": meaning
    for package in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy", "_codecs")
    for name, meaning in (
        ("_reconstruct", "array"),
        ("ndarray", "class"),
        ("dtype", "dtype"),
        ("encode", "bytes"),
    )
}
NUMBERS = {f"{kind}{size}" for kind, sizes in (("i", "1248"), ("u", "1248"), ("f", "248")) for size in sizes}
MARK = object()
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE")
BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
SKIPPED = ("PROTO", "FRAME", "STOP")


@dataclass
class Name:
    meaning: str


@dataclass
class Type:
    code: str
    order: str = "="


@dataclass
class Array:
    content: np.ndarray | list[Any] = field(default_factory=list)


class PickleReader:
    """Follows instructions on a stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for instruction, argument, _ in pickletools.genops(content):
            self.follow(instruction.name, argument)
        if len(self.stack) != 1:
            raise ValueError("the pickle is cut short")
        return self.stack[0]

    def follow(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in INTEGERS or name in TEXTS or name in BYTES:
            stack.append(argument)
        elif name in VALUES:
            stack.append(VALUES[name])
        elif name in ("EMPTY_LIST", "MARK"):
            stack.append([] if name == "EMPTY_LIST" else MARK)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack[-int(name[-1]) :] = [tuple(stack[-int(name[-1]) :])]
        elif name in ("TUPLE", "LIST"):
            items = self.marked()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name in ("APPEND", "APPENDS"):
            items = self.marked() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name == "GLOBAL":
            stack.append(named(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [named(".".join(stack[-2:]))]
        elif name == "REDUCE":
            stack[-2:] = [called(*stack[-2:])]
        elif name == "BUILD":
            state = stack.pop()
            build(stack[-1], state)
        elif name == "MEMOIZE" or name.endswith("PUT"):
            self.memo[len(self.memo) if argument is None else int(argument)] = stack[-1]
        elif name.endswith("GET"):
            stack.append(self.memo[int(argument)])
        elif name not in SKIPPED:
            raise ValueError(f"the pickle has the instruction {name}, which no array needs")

    def marked(self) -> list[Any]:
        """Takes what is on the stack above the last mark."""
        place = max(i for i, item in enumerate(self.stack) if item is MARK)
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items


def named(name: str) -> Name:
    if name not in NAMES:
        raise ValueError(f"the pickle names {name}, which is no array of numbers")
    return Name(NAMES[name])


def called(name: Name, arguments: tuple[Any, ...]) -> Any:
    """Returns what a call stands for; nothing is called."""
    if not isinstance(name, Name) or name.meaning == "class":
        raise ValueError("the pickle calls what is no part of an array")
    if name.meaning == "bytes":
        return arguments[0].encode("latin-1")
    return Array() if name.meaning == "array" else Type(arguments[0])


def build(item: Any, state: tuple[Any, ...]) -> None:
    """Fills an array, or tells the order of a number's bytes."""
    if isinstance(item, Type):
        item.order = state[1] if state[1] in "<>" else "="
        return
    if not isinstance(item, Array):
        raise ValueError("the pickle fills what is no array")
    _, shape, kind, by_columns, content = state
    if isinstance(content, list):
        item.content = content
        return
    if kind.code not in NUMBERS:
        raise ValueError(f"the pickle has an array of type {kind.code}, not of numbers")
    content = content.encode("latin-1") if isinstance(content, str) else content
    item.content = np.frombuffer(content, f"{kind.order}{kind.code}").reshape(
        shape, order="F" if by_columns else "C"
    )


def arrays(content: bytes) -> list[np.ndarray]:
    """Returns the arrays of numbers that a pickled array of arrays holds.

    Arguments:
        content: The pickle.

    Raises:
        ValueError: If it holds anything else, or is damaged.

    Example:
        >>> import pickle
        >>> drawings = np.empty(2, object)
        >>> drawings[:] = [np.zeros((3, 3), np.int16), np.ones((1, 3), np.int16)]
        >>> [a.shape for a in arrays(pickle.dumps(drawings))]
        [(3, 3), (1, 3)]
        >>> arrays(pickle.dumps([print]))
        Traceback (most recent call last):
        ValueError: the pickle names builtins.print, which is no array of numbers
    """
    try:
        found = PickleReader().run(content)
        items = found.content if isinstance(found, Array) else found
        held = [item.content for item in items]
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged or hostile program does to a stack
        raise ValueError(f"the pickle is damaged ({type(error).__name__})") from None
    if not all(isinstance(item, np.ndarray) for item in held):
        raise ValueError("the pickle is no array of arrays")
    if sum(item.nbytes for item in held) > len(content):
        raise ValueError("the pickle holds one array many times")
    return held
