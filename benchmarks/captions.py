"""Text to image: trains each model once, and asks what its pictures show.

`python captions.py --runs DIR align sharp codes draw` trains what DIR does not hold yet, one after the other, and stores
`results/captions-NAME.json`. Each takes half an hour to an hour on one core.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from common import store
from latente import runs
from latente.evaluation import evaluate, measure_samples

WANTED = {
    "align": ("align-draw", "captions-mnist", {}, {}),
    "codes": ("text-to-image", "captions-mnist", {}, {}),
    "vae": ("caption-vae", "captions-mnist", {}, {}),
    "draw": ("draw", "mnist", {}, {"steps": 8000, "evaluate_every": 1000, "checkpoint_every": 1000}),
    "sharp": ("refiner", None, {}, {"of": "align", "steps": 400}),
    "flickr": (
        "text-to-image",
        "flickr8k",
        {"flip": True, "dropout": 0.1, "caption_encoder": "bag", "tokeniser_steps": 1500},
        {"steps": 2000},
    ),
    "flickr-vae": ("caption-vae", "flickr8k", {"flip": True}, {"steps": 1500}),
}
GUIDANCE = (1.0, 2.0, 3.0, 5.0)  # scales of classifier-free guidance


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=WANTED)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.names:
        recipe, data, arguments, settings = WANTED[name]
        if "of" in settings:
            settings = settings | {"of": str(asked.runs / settings["of"])}
        folder = asked.runs / name
        if not (folder / "run.json").exists():
            runs.train(recipe, data, folder, arguments=arguments, threads=asked.threads, **settings)
        run = runs.Run.open(folder)
        ended = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()][-1]
        found = evaluate(run, k=50, examples=1000)
        figures = {
            "recipe": recipe,
            "data": data,
            "arguments": arguments,
            "settings": settings,
            "training": {"steps": ended["step"], "seconds": ended["seconds"], "threads": asked.threads},
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "evaluation": {
                "-elbo": dataclasses.asdict(-found["bound"].elbo),
                "distortion": dataclasses.asdict(found["bound"].distortion),
                "rate by group": {name: rate.mean for name, rate in found["bound"].rates.items()},
                "-log p(x), 50 draws": None if "nll" not in found else [found["nll"].mean, found["nll"].se],
            },
        }
        if recipe != "draw":
            ways = GUIDANCE if recipe == "text-to-image" else (1.0,)
            figures["fidelity"] = [
                dataclasses.asdict(measure_samples(run, guidance=guidance)["alignment"]) for guidance in ways
            ]
        store(f"captions-{name}", figures)


main()
