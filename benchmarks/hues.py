"""Photographs: whether another colour in a caption, with the same noise, moves the mean hue towards it."""

import argparse
import dataclasses
from pathlib import Path

from common import store
from latente.evaluation import chooser_of, colour_flips
from latente.runs import Run

GUIDANCE = {"flickr": (1.0, 3.0, 6.0), "flickr-vae": (1.0,)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, required=True, help="what captions.py trained")
    asked = parser.parse_args()
    figures = {}
    for name, ways in GUIDANCE.items():
        run = Run.open(asked.runs / name)
        ended = run.metrics()[-1]
        figures[name] = {
            "recipe": run.record["recipe"],
            "arguments": run.record["arguments"],
            "steps": ended["step"],
            "hues": {
                f"guidance {g:g}": dataclasses.asdict(
                    colour_flips(run.model, run.data, choose=chooser_of(run, guidance=g))
                )
                for g in ways
            },
        }
    store("captions-hues", figures)


main()
