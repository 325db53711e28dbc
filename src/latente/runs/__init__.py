"""Runs: a recipe's name, its JSON arguments and tensors, in a folder.

======================  ================================================================================
`run.json`              the recipe and its arguments, where the data came from, the run it builds on, the settings, the versions
`split.npz`             the rows that training, validation and test took, made once, and those of them whose labels count
`metrics.jsonl`         the figures of training and validation
`checkpoints/`          the last two states that a run can go on from
`model.safetensors`     the best weights so far, with recipe and arguments in their header
`data.npz`              images and captions that were given in memory
`pretraining/`          the layers of a model that is trained layer by layer first
`events.jsonl`          when the run was started, resumed and finished, and how long it took
======================  ================================================================================

A run may build on another one: it then takes what it needs from that run's weights when it starts, and has all it needs in its
own folder from the first checkpoint on.

A model is rebuilt by calling its recipe again: nothing is unpickled, imported by a name found in a file, or evaluated. Before any
memory is taken for weights, the names and shapes in the file are held against those that the recipe would make.
"""

from .fit import fit
from .run import Run
from .train import resume, train
from .weights import load, save

__all__ = ["Run", "fit", "load", "resume", "save", "train"]
