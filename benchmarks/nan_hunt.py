"""Whether sketch-rnn stays finite at ten times its learning rate on Omniglot, whose moves, in whole pixels, repeat most."""

import argparse
import math
import tempfile
from pathlib import Path

from common import store
from latente import runs
from latente.errors import TrainingError
from latente.training.logs import METRICS, read_metrics


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=128)
    options = parser.parse_args()
    arguments = {"latent": 32, "hidden": options.hidden, "encoder_hidden": options.hidden // 2}
    how = {
        "lr": 1e-2,
        "lr_schedule": "constant",
        "steps": options.steps,
        "threads": options.threads,
        "evaluate_every": 500,
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        ended = "trained to the end"
        try:
            runs.train("sketch-rnn", "omniglot-strokes", out, arguments=arguments, progress=True, **how)
        except TrainingError as error:
            ended = str(error).replace(folder, "")
        lines = read_metrics(out / METRICS)
    numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
    store(
        "nan-hunt",
        {
            "steps": lines[-1]["step"],
            "ended": ended,
            "finite": all(map(math.isfinite, numbers)),
            "skipped": sum(line.get("skipped", 0) for line in lines),
            "validation": [
                {k: line[k] for k in ("step", "distortion", "loss")} for line in lines if "loss" in line
            ],
        },
    )


if __name__ == "__main__":
    main()
