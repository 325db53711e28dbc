"""The README and the pages of `docs/`: what they quote, run, call, print and show is what is there."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import html.parser
import importlib
import importlib.util
import io
import pkgutil
import re
import shlex
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import typer

import latente
from latente import cli, recipes
from latente.cli.options import listed
from latente.cli.train import check_early
from latente.evaluation.figures import FIGURES
from latente.kinds import KINDS
from latente.pictures import PICTURES
from latente.registry import Registry
from latente.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.rglob("*.md"))
ENGLISH = [p for p in PAGES if not p.name.endswith(".es.md")]
PAIRS = [(p, p.with_suffix(".es.md")) for p in ENGLISH]
ENGLISH_ONLY = {
    "reference/commands.md",
    "reference/api.md",
}  # made from the code, whose docstrings are English
FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not part of this installation")


class Block(NamedTuple):
    language: str
    title: str
    code: str


def blocks(page: Path) -> list[Block]:
    return [Block(m[2], m[3] or "", textwrap.dedent(m[4])) for m in FENCE.finditer(page.read_text())]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT if page == README else DOCS))


def quotes() -> Iterator[Any]:
    for page in PAGES:
        for i, block in enumerate(blocks(page)):
            if block.title.startswith("src/"):
                yield pytest.param(block, id=f"{name(page)}-{i}")


def calls(page: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Goes through the commands of a page: the line, its words after `latente`, and the lines that are said to be printed."""
    for block in blocks(page):
        if block.language == "console":
            for call in re.split(r"^\$ ", block.code.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
                line, *printed = call.splitlines()
                words = shlex.split(line, comments=True)
                if "latente" in words:
                    yield line, words[words.index("latente") + 1 :], printed


def commands() -> Iterator[Any]:
    for page in [README, *PAGES]:
        for line, words, _ in calls(page):
            yield pytest.param(words, id=f"{name(page)}: {line}")


def is_cheap(words: list[str], printed: list[str]) -> bool:
    """Tells whether a command answers at once: a list, help, or a mistake."""
    is_list = words in (["recipes"], ["data"])
    return bool(printed) and (is_list or "--help" in words or printed[0].startswith(("latente: ", "Usage: ")))


def cheap() -> Iterator[Any]:
    for page in [README, *PAGES]:
        for line, words, printed in calls(page):
            if is_cheap(words, printed):
                yield pytest.param(words, printed, id=f"{name(page)}: {line}")


def without_code(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def test_there_are_pages() -> None:
    assert len(list(quotes())) >= 20
    assert len(list(commands())) >= 20
    assert len(list(cheap())) >= 10
    assert sum(b.language == "python" and not b.title for p in ENGLISH for b in blocks(p)) >= 10


@pytest.mark.parametrize("block", list(quotes()))
def test_quoted_lines_are_in_their_file(block: Block) -> None:
    lines = (ROOT / block.title).read_text().splitlines()
    quoted = block.code.splitlines()
    windows = (lines[i : i + len(quoted)] for i in range(len(lines) - len(quoted) + 1))
    assert any(textwrap.dedent("\n".join(w)).splitlines() == quoted for w in windows), block.code


@pytest.mark.parametrize("words", list(commands()))
def test_commands_parse(words: list[str]) -> None:
    command, arguments = typer.main.get_command(cli.app), list(words)
    context = None
    while hasattr(command, "commands"):
        assert arguments, f"latente {' '.join(words)} needs a command"
        if arguments[0].startswith("--"):
            assert any(arguments[0] in p.opts for p in command.params), arguments
            return
        command, arguments = command.get_command(typer.Context(command), arguments[0]), arguments[1:]
    context = command.make_context(words[0], arguments)
    if words[0] == "train":
        given = {n: v for n, v in context.params.items() if v is not None}
        own = recipes.parameters(words[1])
        hints = typing.get_type_hints(Settings, include_extras=True)
        check_early(
            words[1],
            {n: listed(v, own[n].annotation) for n, v in given.items() if n in own},
            {n: listed(v, hints[n]) for n, v in given.items() if n in hints},
        )


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["latente", *words])
    with pytest.raises(SystemExit):
        cli.main()


@pytest.mark.parametrize(("words", "printed"), list(cheap()))
def test_commands_print_what_the_page_says(
    words: list[str],
    printed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A line "…" stands for lines that the page leaves out; the folder in which the command is given is left out too."""
    (tmp_path / "README.md").write_text("# Not data")
    monkeypatch.chdir(tmp_path)
    if "runs/plain" in words:  # the autoencoder of the lecture
        call(
            [
                "train",
                "autoencoder",
                "--hidden",
                "8",
                "--steps",
                "2",
                "--threads",
                "1",
                "--out",
                "runs/plain",
            ],
            monkeypatch,
        )
        capfd.readouterr()
    call(words, monkeypatch)
    found = "".join(capfd.readouterr()).replace(f"{tmp_path}/", "")
    expected = "".join(r"(?:.*\n)+" if line == "…" else f"{re.escape(line)}\n" for line in printed)
    assert re.fullmatch(expected, found), found


@pytest.fixture
def catalogue() -> Iterator[None]:
    """Takes what a page adds to the lists out of them again."""
    lists: list[Registry[Any]] = [recipes.RECIPES, KINDS, PICTURES, FIGURES]
    before = [dict(entries) for entries in lists]
    yield
    for entries, kept in zip(lists, before, strict=True):
        entries.entries = kept


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("page", [pytest.param(p, id=name(p)) for p in ENGLISH])
def test_python_prints_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A python block without a title is run; a text block with a title, right behind it, is what it prints."""
    monkeypatch.chdir(tmp_path)
    found = blocks(page)
    namespace: dict[str, Any] = {"__name__": "page"}
    for block, following in zip(found, [*found[1:], Block("", "", "")]):
        if block.language != "python" or block.title:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, name(page), "exec", dont_inherit=True), namespace)  # noqa: S102
        expected = following.code if following.language == "text" and following.title else ""
        assert printed.getvalue() == expected, printed.getvalue()


@pytest.mark.parametrize("page", [pytest.param(p, id=name(p)) for p in [README, *PAGES]])
def test_pictures_and_links_exist(page: Path) -> None:
    text = without_code(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), target
    for target in re.findall(r'--8<-- "([^"]+)"', text):
        assert (DOCS / "pictures" / target).exists(), target


def test_pictures_are_small_and_used() -> None:
    texts = "".join(p.read_text() for p in PAGES)
    pictures = sorted((DOCS / "pictures").iterdir())
    assert all(p.name in texts for p in pictures)
    assert all(p.stat().st_size <= 200_000 for p in pictures)
    assert sum(p.stat().st_size for p in pictures) < 2_500_000


@pytest.mark.parametrize("pair", [pytest.param(pair, id=name(pair[0])) for pair in PAIRS])
def test_spanish_follows_english(pair: tuple[Path, Path]) -> None:
    english, spanish = pair
    if name(english) in ENGLISH_ONLY:
        return
    assert spanish.exists()
    depths = [[len(h) for h in re.findall(r"^(#+) ", without_code(p), re.MULTILINE)] for p in pair]
    assert depths[0] == depths[1]
    code = [[(b.language, b.code) for b in blocks(p)] for p in pair]
    assert code[0] == code[1]
    shown = [re.findall(r"pictures/([\w.-]+)", without_code(p)) for p in pair]
    assert shown[0] == shown[1]
    formulas = [re.findall(r"^\$\$.*\$\$$", without_code(p), re.MULTILINE) for p in pair]
    assert len(formulas[0]) == len(formulas[1])


def hook(of: str, folder: Path = DOCS / "hooks") -> ModuleType:
    spec = importlib.util.spec_from_file_location(of, folder / f"{of}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[of] = module
    spec.loader.exec_module(module)
    return module


def test_command_reference_is_that_of_the_commands() -> None:
    made = hook("commands").page()
    assert (DOCS / "reference" / "commands.md").read_text() == made, "run: python docs/hooks/commands.py"


def test_every_public_name_is_documented() -> None:
    api = hook("api")
    found = api.modules()
    for module, names in found.items():
        assert list(importlib.import_module(f"latente.{module}").__all__) == names
        homes = api.homes(module, names)
        assert sorted(name for own in homes.values() for name in own) == sorted(names)
        assert all(
            hasattr(importlib.import_module(path), name) for path, own in homes.items() for name in own
        )
        assert all(f"::: {path}\n" in api.section(module, names) for path in homes)
    packages = {m.name for m in pkgutil.iter_modules(latente.__path__)} - api.HIDDEN
    public = {m for m in packages if hasattr(importlib.import_module(f"latente.{m}"), "__all__")}
    assert public == set(found)
    assert all(f"`{n}`" in api.first() for n in latente.__all__)
    page = (DOCS / "reference" / "api.md").read_text()
    assert api.PLACE in page and "<!-- names -->" in page


@pytest.mark.parametrize("page", hook("table", ROOT / "benchmarks").TARGETS)
def test_figures_are_those_of_the_stored_results(page: str) -> None:
    made = hook("table", ROOT / "benchmarks").page(page)
    assert (ROOT / page).read_text() == made, "run: python benchmarks/table.py"


def test_a_figure_follows_its_stored_result() -> None:
    table = hook("table", ROOT / "benchmarks")
    row = table.ROWS["mnist"]
    better = dataclasses.replace(row, values=lambda r: {**row.values(r), "minutes": 21})
    assert not row.missed() and better.missed()
    assert "21.0 minutes" in better.cells("en")[1] and "21,0 minutos" in better.cells("es")[1]
    assert better.cells("en")[2].endswith("**missed**")


def test_every_stored_result_is_listed() -> None:
    listed = (ROOT / "benchmarks" / "README.md").read_text()
    patterns = [p.replace("results/", "") for p in re.findall(r"results/[\w*.-]+\.json", listed)]
    results = [p.name for p in (ROOT / "benchmarks" / "results").iterdir()]
    assert not [r for r in results if not any(fnmatch.fnmatch(r, p) for p in patterns)]


@pytest.mark.parametrize("page", ["recipes.md", "recipes.es.md"])
def test_each_recipe_is_in_one_group(page: str) -> None:
    groups = recipes.grouped()
    assert sorted(name for names in groups.values() for name in names) == sorted(recipes.RECIPES)
    found: dict[str, list[str]] = {}
    for line in (DOCS / "guides" / page).read_text().splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = []
        elif row := re.match(r"\| `([\w-]+)` \|", line):
            found[list(found)[-1]].append(row[1])
    assert list(found.values()) == list(groups.values())
    if page == "recipes.md":
        assert list(found) == list(groups)


def test_the_readme_is_short() -> None:
    """What has a letter or a digit is a word, also in code, tables and headings; where links lead to, and comments, are none."""
    text = re.sub(r"<!--.*?-->", "", README.read_text())
    words = [w for w in re.sub(r"\]\([^)]*\)", "]", text).split() if re.search(r"\w", w)]
    assert len(words) <= 500


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [b.code for b in blocks(README) if b.language == "python"]
    short = code.replace("steps=1500", "steps=20, threads=1").replace(
        "(vae, data)", "(vae, data, k=5, examples=50)"
    )
    assert short.count("=20,") == short.count("k=5") == 1
    exec(compile(short, "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.strip().endswith(".")


class Resources(html.parser.HTMLParser):
    """Collects what a browser would fetch for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
        value = dict(attributes).get(names.get(tag, ""))
        if value:
            self.fetched.append(value)


@pytest.mark.slow
def test_site_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    config = pytest.importorskip("mkdocs.config")
    build = pytest.importorskip("mkdocs.commands.build")
    import logging
    import warnings

    quiet = logging.getLogger("mkdocs")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path))
            loaded.plugins.on_startup(command="build", dirty=False)
            build.build(loaded)
            loaded.plugins.on_shutdown()
    finally:
        quiet.setLevel(before)
    pages = [p for p in tmp_path.rglob("*.html") if p.name != "404.html"]
    assert len(pages) >= 2 * len(ENGLISH)
    for page in pages:
        text = page.read_text()
        seen = Resources()
        seen.feed(text)
        assert not [r for r in seen.fetched if r.startswith(("http:", "https:", "//"))], page
        assert "arithmatex" not in text, page
        assert "fonts.googleapis" not in text, page
    for sheet in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?https?:", sheet.read_text()), sheet
    assert any("<math" in p.read_text() for p in pages)
    anchors = set(re.findall(r'id="(latente\.[\w.]+)"', (tmp_path / "reference" / "api.html").read_text()))
    for module, names in hook("api").modules().items():
        homes = hook("api").homes(module, names)
        assert {f"{path}.{n}" for path, own in homes.items() for n in own} <= anchors
