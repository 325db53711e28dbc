"""Trains a small VAE on real digits; run by the tests in processes of their own.

python training_script.py FOLDER '{"steps": 40, ...}' [resume]
"""

import json
import os
import random
import signal
import sys
import time

import torch

from latente import data, recipes
from latente.schedules import cyclical
from latente.training import Trainer


def digits() -> data.Data:
    return data.load("digits").binarised("dynamic")


def train(folder: str, settings: dict, loaded: data.Data, resume: bool) -> None:
    torch.manual_seed(0)
    plan = recipes.make("vae", shape=[1, 28, 28], hidden=[32], latent=4)
    plan.objective.beta = cyclical()
    Trainer(plan.model, plan.objective, out=folder, threads=1, **settings).fit(
        loaded.train, loaded.validation.subset(64), resume=resume
    )


def kill_at_random(folder: str, settings: dict, kills: int) -> None:
    """Forks trainings and kills them at random moments, until one gets to the end after so many kills."""
    loaded, patience = digits(), random.Random(0)
    torch.set_num_threads(1)
    killed = 0
    while True:
        child = os.fork()
        if child == 0:
            train(folder, settings, loaded, resume=True)
            os._exit(0)
        if killed < kills:
            time.sleep(patience.uniform(0.0, 0.5))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif killed >= kills or os.WEXITSTATUS(status):
            print(json.dumps({"killed": killed, "status": status}))
            return


if __name__ == "__main__":
    folder, settings = sys.argv[1], json.loads(sys.argv[2])
    if sys.argv[3:4] == ["kill"]:
        kill_at_random(folder, settings, int(sys.argv[4]))
    else:
        train(folder, settings, digits(), resume=sys.argv[3:] == ["resume"])
