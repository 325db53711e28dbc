"""The command line. It answers help and mistakes without importing PyTorch."""

from collections.abc import Callable

from . import data, draw, judge, tables, train
from .app import app, list_recipes, main

__all__ = ["app", "main"]

COMMANDS: dict[str, Callable[..., None]] = {  # in the order of the help
    "recipes": list_recipes,
    "data": data.show_data,
    "resume": train.resume,
    "evaluate": judge.evaluate,
    "diagnose": judge.diagnose,
    "compare": judge.compare,
    "report": judge.report,
    **draw.commands(),
    "encode": tables.encode,
    "decode": tables.decode,
    "score": tables.score,
    "classify": tables.tell_classes,
    "fidelity": judge.fidelity,
    "drawings": data.convert,
    "import-magenta": data.import_magenta,
    "export-magenta": data.export_magenta,
    "demo": train.demo,
}

app.add_typer(train.training, name="train")
for name, command in COMMANDS.items():
    app.command(name)(command)
