"""Puts every public name of the library into `docs/reference/api.md` while the site is built."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "src" / "latente"
PLACE = "<!-- modules -->"
TITLES = {  # in the order of the page; a module that is not named here follows, under its own name
    "trace": "The core",
    "models": "Models",
    "abilities": "Abilities",
    "conditionals": "Conditionals",
    "priors": "Priors",
    "distributions": "Distributions",
    "nn": "Networks",
    "objectives": "Objectives",
    "divergences": "Divergences",
    "corruptions": "Corruptions",
    "schedules": "Schedules",
    "training": "Training",
    "settings": "Settings",
    "data": "Data",
    "kinds": "Kinds of data",
    "recipes": "Recipes",
    "runs": "Runs",
    "evaluation": "Evaluation",
    "doctor": "The doctor",
    "codes": "Codes of new data",
    "pictures": "Pictures",
    "report": "Reports",
    "magenta": "Magenta",
    "errors": "Errors",
}
HIDDEN = {"cli"}  # documented as commands
OPTIONS = (
    "options: {show_root_heading: false, show_root_toc_entry: false, members_order: __all__, members: [%s]}"
)


def public(file: Path) -> list[str]:
    """Returns the `__all__` of a source file; nothing where it has none."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return []


def modules() -> dict[str, list[str]]:
    """Returns the public modules right below latente in the order of the page, with their public names."""
    files = {f.stem: f for f in SOURCE.glob("*.py")} | {
        f.parent.name: f for f in SOURCE.glob("*/__init__.py")
    }
    found = {
        n: names for n, f in sorted(files.items()) if (names := public(f)) and n not in {*HIDDEN, "__init__"}
    }
    return {n: found[n] for n in [*TITLES, *found] if n in found}


def homes(module: str, names: list[str]) -> dict[str, list[str]]:
    """Returns the files in which public names of a module are at home, as paths for Python, with the names of each."""
    package = SOURCE / module / "__init__.py"
    nodes = ast.parse(package.read_text()).body if package.exists() else []
    brought = {
        alias.name: f".{node.module}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(f"latente.{module}{brought.get(name, '')}", []).append(name)
    return dict(sorted(found.items()))


def section(module: str, names: list[str]) -> str:
    """Returns the section of a module: its names where they are at home, behind what each file says of itself."""
    files = {f"latente.{module}": [], **homes(module, names)}
    parts = [f"::: {path}\n    {OPTIONS % ', '.join(own)}" for path, own in files.items()]
    return "\n\n".join([f"## {TITLES.get(module, module.capitalize())}", f"`latente.{module}`", *parts])


def sections() -> str:
    """Returns what stands in place of the mark: a section for each module."""
    return "\n\n".join(section(module, names) for module, names in modules().items())


def first() -> str:
    """Returns the names that `import latente` offers, in a line."""
    return ", ".join(f"`{name}`" for name in public(SOURCE / "__init__.py"))


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Fills the page in, and leaves all others as they are."""
    if page.file.src_uri != "reference/api.md":
        return markdown
    return markdown.replace("<!-- names -->", first()).replace(PLACE, sections())
