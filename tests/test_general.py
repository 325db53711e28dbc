"""The general floors ask what a thing can do, never what it is called: no kind of data, recipe, model or family is named there.

A file is general unless it is about one thing of many: a kind, a recipe, a picture, a figure, a class of models. What is told of a
kind, a model or a recipe it answers itself: by a fact of its own, a method, or a function that is dispatched on its class.
"""

import ast
import dataclasses
import importlib
import inspect
from pathlib import Path

import pytest

import latente
from latente.abilities import Abilities
from latente.kinds import KINDS
from latente.recipes import RECIPES

ROOT = Path(latente.__file__).parent
GENERAL = (
    "abilities.py",
    "registry.py",
    "codes.py",
    "doctor.py",
    "cli",
    "runs",
    "report",
    "training",
    "evaluation",
    "pictures",
    "data/kind.py",
    "data/loading.py",
    "data/split.py",
    "data/examples.py",
    "recipes/__init__.py",
    "recipes/catalogue.py",
    "recipes/about.py",
)
OWN = ("evaluation/figures/", "pictures/of_", "pictures/drawing/")  # what is of one figure, kind or picture
FLOORS = ("models", "distributions", "conditionals", "priors", "nn", "objectives")


def classes():
    """Finds the classes of the floors whose classes are not to be told apart: all but those that others derive from."""
    for floor in FLOORS:
        package = importlib.import_module(f"latente.{floor}")
        for path in Path(package.__file__).parent.glob("*.py"):
            module = importlib.import_module(f"latente.{floor}.{path.stem}")
            yield from (c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__)


CLASSES = {c.__name__ for c in classes() if not inspect.isabstract(c)}
NAMES = {*KINDS, *RECIPES}
ASKED = {"has", *(field.name for field in dataclasses.fields(Abilities))}  # what a kind's examples have, what a model can do


def general():
    files = [path for place in GENERAL for path in [ROOT / place, *(ROOT / place).rglob("*.py")] if path.is_file()]
    return [path for path in files if not str(path.relative_to(ROOT)).startswith(OWN)]


def words(node):
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)} & NAMES


def called(node):
    return {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)} & CLASSES


def asks(node):
    """Tells whether a comparison asks what examples have or what a model can do."""
    return any(isinstance(side, ast.Attribute) and side.attr in ASKED for side in (node.left, *node.comparators))


def named(tree):
    """Yields where code compares with, branches on, or looks up the name of a kind, recipe or class, or imports a class."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                yield node, set() if asks(node) else words(node)
            case ast.MatchValue() | ast.MatchClass():
                yield node, words(node) | called(node)
            case ast.Subscript():
                yield node, words(node.slice)
            case ast.Dict():
                yield node, set().union(*(words(key) for key in node.keys if isinstance(key, ast.Constant)))
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass")):
                yield node, called(node.args[1])
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith" | "find" | "get" | "removeprefix")):
                yield node, set().union(*map(words, node.args))
            case ast.ImportFrom():
                yield node, {alias.name for alias in node.names} & CLASSES


def leaks(source):
    found = [(getattr(node, "lineno", 0), names) for node, names in named(ast.parse(source)) if names]
    return [f"line {line}: {', '.join(sorted(names))}" for line, names in found]


@pytest.mark.parametrize("path", general(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_general_file_names_no_kind_recipe_model_or_family(path):
    assert not leaks(path.read_text())
