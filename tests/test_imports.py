"""What may import what, and that importing changes nothing."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import latente

ROOT = Path(latente.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ORDER = [
    {"commands", "errors", "flows", "schedules", "settings", "trace"},
    {"memory", "notebook", "registry", "trusted"},
    {"distributions"},
    {"nn", "data"},
    {"conditionals", "priors"},
    {"models", "divergences", "corruptions"},
    {"objectives"},
    {"training"},
    {"recipes"},
    {"abilities"},
    {"runs"},
    {"evaluation"},
    {"codes", "compression", "doctor", "magenta", "pictures"},
    {"kinds"},
    {"report", "explorer", "estimator"},
    {"cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
MODULES = {".".join(("latente", *path.relative_to(ROOT).with_suffix("").parts)) for path in FILES}
MODULES |= {name.removesuffix(".__init__") for name in MODULES}


def names_of(path):
    parts = ["latente", *path.relative_to(ROOT).with_suffix("").parts]
    return parts, parts[:-1]


def imports(path, *, at_import, for_types=False):
    """Lists the modules of the house that a file imports.

    With `at_import` those that a function imports when it runs are left out, without `for_types` those that only a type checker
    imports.
    """
    _, package = names_of(path)
    found = set()

    def visit(node):
        if not for_types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node = ast.Module(node.orelse, [])
        if at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return {name for name in found if name in MODULES}


def home(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_upward(path):
    own = home(".".join(names_of(path)[0]))
    if own == "__init__":
        assert not imports(path, at_import=True)
        return
    assert own in RANK, f"give {own} its place in ORDER"
    for name in imports(path, at_import=False, for_types=True):
        if (other := home(name)) and other not in (own, "__init__"):
            assert RANK[other] < RANK[own] or {own, other} <= {"trace", "settings", "errors"}, (
                f"imports {name}"
            )


def test_there_are_no_circles():
    graph = {
        ".".join(names_of(path)[0]).removesuffix(".__init__"): imports(path, at_import=True, for_types=True)
        for path in FILES
    }
    done, trail = set(), []

    def walk(module):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done or module == "latente":
            return
        trail.append(module)
        for other in sorted(graph.get(module, ())):
            if not f"{module}.".startswith(f"{other}."):  # a package is begun before its modules
                walk(other)
        trail.pop()
        done.add(module)

    for module in graph:
        walk(module)


def python(code):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "module",
    ["latente", "latente.cli", "latente.recipes", "latente.settings", "latente.kinds", "latente.pictures"],
)
def test_importing_does_not_import_torch(module):
    python(f"import {module}, sys; assert not {{'torch', 'numpy', 'matplotlib'}} & set(sys.modules)")


def test_the_core_imports_torch_alone():
    tree = ast.parse((ROOT / "trace.py").read_text())
    modules = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules - set(sys.stdlib_module_names) == {"torch"}


STATE = """
import importlib, logging, os, pkgutil, random, signal, sys, threading, warnings
import numpy, rich.progress, torch  # rich draws from the generator of random
import torch.distributions.kl as rules
from torch.distributions import Distribution

known = dict(rules._KL_REGISTRY)

def state():
    return {
        "dtype": str(torch.get_default_dtype()), "device": str(torch.get_default_device()),
        "validation": Distribution._validate_args,
        "constraints": isinstance(Distribution.__dict__["arg_constraints"], property),
        "torch seed": torch.get_rng_state().tolist()[:64], "numpy seed": numpy.random.get_state()[1].tolist(),
        "python seed": hash(random.getstate()), "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(), "threads": torch.get_num_threads(),
        "matrix products": torch.get_float32_matmul_precision(), "benchmark": torch.backends.cudnn.benchmark,
        "handlers": len(logging.getLogger().handlers), "level": logging.getLogger().level,
        "filters": [f for f in warnings.filters if "latente" in str(f)], "folder": os.getcwd(),
        "environment": dict(os.environ), "excepthook": sys.excepthook is sys.__excepthook__,
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "running": threading.active_count(), "numpy errors": numpy.geterr(),
        "divergences": [str(pair) for pair, rule in known.items() if rules._KL_REGISTRY.get(pair) is not rule],
    }

def compare(before, what):
    after = state()
    changed = {k: (before[k], after[k]) for k in before if before[k] != after[k]}
    assert not changed, (what, changed)
"""


def test_importing_changes_nothing():
    python(
        STATE
        + """
before = state()
import latente
for module in pkgutil.walk_packages(latente.__path__, "latente."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
compare(before, "latente")
"""
    )


def test_importing_zuko_changes_nothing():
    if importlib.util.find_spec("zuko") is None:
        pytest.skip("zuko is not installed")
    python(
        STATE
        + """
import latente.flows
before = state()
for _ in range(2):
    zuko = latente.flows.import_zuko()
    compare(before, "zuko")
p = zuko.flows.NSF(2, 0, transforms=1, hidden_features=(4,))()
p.log_prob(torch.zeros(3, 2)), p.sample((3,)), p.expand((4,)).rsample()
try:
    torch.distributions.Normal(0.0, -1.0)
except ValueError:
    pass
else:
    raise AssertionError("validation is off")
"""
    )


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
LOOKUPS = ("HOMES[name]",)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_a_file_is_ever_executed(path):
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN, where
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN, where
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in (
            "eval",
            "exec",
            "compile",
            "__import__",
            "yaml.load",
            "torch.load",
            "torch.save",
        ), where
        if called.split(".")[-1] == "load" and called.split(".")[0] in ("np", "numpy"):
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert keywords.get("allow_pickle") == "False", where
        if called.split(".")[-1] == "import_module":
            name = node.args[0]
            fixed = isinstance(name, ast.Constant) or any(lookup in ast.unparse(name) for lookup in LOOKUPS)
            assert fixed or ast.unparse(name) == "module", f"{where} imports {ast.unparse(name)}"
        if called == "need":
            assert isinstance(node.args[0], ast.Constant), f"{where} imports {ast.unparse(node)}"


def test_only_one_function_imports_by_a_name_it_was_told():
    told = [path.name for path in FILES if "import_module(module)" in path.read_text()]
    assert told in ([], ["canvas.py"])


def test_the_public_names_exist():
    for name in latente.__all__:
        assert getattr(latente, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        latente.nothing  # noqa: B018
