"""General files ask what a thing can do, never what it is called: no kind of data, recipe, model or family is named there.

A file is general unless it is about one of many: a kind, a recipe, a picture, a figure, a class of models. What is special about
one of them it says itself, by a fact, a method, or a function that is dispatched on its class.
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
    "settings.py",
    "trace.py",
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
    "recipes/catalogue.py",
    "recipes/about.py",
    "recipes/loading.py",
)
OWN = (
    "evaluation/figures/",
    "pictures/of_",
    "pictures/drawing/",
    "cli/of_",
)  # what is of one figure, kind or picture
FLOORS = (
    "models",
    "distributions",
    "conditionals",
    "priors",
)  # whose classes are not imported but where they are put together
ASKED = {
    "has",
    *(field.name for field in dataclasses.fields(Abilities)),
}  # what examples have, and what a model can do
NAMES = {*KINDS, *RECIPES} - {option for recipe in RECIPES.values() for option in recipe.options}


def classes(*floors):
    """Finds the classes of some floors, but for those that are there to be derived from, plain records and errors."""
    for floor in floors:
        for path in (ROOT / floor).glob("*.py"):
            module = importlib.import_module(f"latente.{floor}.{path.stem}".removesuffix(".__init__"))
            own = (c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__)
            yield from (
                c.__name__ for c in own if not inspect.isabstract(c) and not dataclasses.is_dataclass(c)
            )


PARTS = set(classes(*FLOORS))
TOLD_APART = PARTS | set(classes("nn", "objectives"))


def general():
    files = [
        path for place in GENERAL for path in [ROOT / place, *(ROOT / place).rglob("*.py")] if path.is_file()
    ]
    return [path for path in files if not str(path.relative_to(ROOT)).startswith(OWN)]


def names(node):
    return {
        n.id if isinstance(n, ast.Name) else n.attr
        for n in ast.walk(node)
        if isinstance(n, ast.Name | ast.Attribute)
    }


def is_exempt(node):
    """Tells whether strings stand for something else: what examples have or a model can do, or the names that a module gives."""
    if isinstance(node, ast.Compare):
        return any(
            isinstance(side, ast.Attribute) and side.attr in ASKED for side in (node.left, *node.comparators)
        )
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def leaks(source):
    """Lists where code has the name of a kind or recipe as a string, imports a class, or tells classes apart."""
    found = []

    def visit(node):
        if is_exempt(node):
            return
        named = set()
        match node:
            case ast.Constant(value=str(text)):
                named = {text, text.rstrip("-"), text.partition("/")[0]} & NAMES  # as a prefix, too
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, asked]):
                named = names(asked) & TOLD_APART
            case ast.MatchClass(cls=asked):
                named = names(asked) & TOLD_APART
            case ast.Attribute(attr="__class__" | "__name__", value=ast.Call(func=ast.Name(id="type"))):
                named = {"the name of a class"}
            case ast.ImportFrom(module=str(module)) if set(module.split(".")) & set(FLOORS):
                named = {alias.name for alias in node.names} & PARTS
        found.extend(f"line {node.lineno}: {name}" for name in sorted(named))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


@pytest.mark.parametrize("path", general(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_general_file_names_no_kind_recipe_model_or_family(path):
    assert not leaks(path.read_text())


@pytest.mark.parametrize(
    "planted",
    [
        'if data.kind.name == "images": pass',
        'if recipe in ("vae", "iwae"): pass',
        'match data.kind.name:\n    case "drawings": pass',
        'UNITS = {"text": "nats a word"}',
        'size = sizes["vectors"]',
        'if run.recipe.reads != "captions": pass',
        'train("vae", "digits")',
        'if name.startswith("conditional-"): pass\nif name == "conditional-vae": pass',
        "if isinstance(run.model, GAN): pass",
        "if isinstance(trace.likelihood, Independent | distributions.Levels): pass",
        "if isinstance(objective, objectives.ELBO): pass",
        "match model:\n    case models.VAE(): pass",
        "from ..models import GAN",
        "from ..models.vq import VQVAE as Codes",
        "from .distributions.sphere import PowerSpherical"
        if "PowerSpherical" in PARTS
        else "from ..priors import Vamp",
        'if type(model).__name__ == "Ladder": pass',
    ],
)
def test_a_planted_leak_is_seen(planted):
    assert leaks(planted)


@pytest.mark.parametrize(
    "clean",
    [
        'if "captions" in data.kind.has: pass',
        'if run.abilities.takes == "captions": pass',
        "from ..models import label_law",
        "from ..trace import Model\nisinstance(made, Model)",
        "from .options import TopK",
        '__all__ = ["draw"]',
        'print("train m2, classifier, or conditional-vae")',
    ],
)
def test_what_is_asked_is_no_leak(clean):
    assert not leaks(clean)


def test_what_is_looked_for_is_there():
    assert {"VAE", "GAN", "Classifier", "VQVAE", "Diagonal", "Vamp"} <= PARTS and {
        "ELBO",
        "MLP",
    } <= TOLD_APART
    assert {"images", "captions", "vae", "iwae", "sketch-rnn"} <= NAMES and len(general()) > 80
