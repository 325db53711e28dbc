"""The catalogue: plain functions whose signature is the schema of a run.

A recipe takes typed keywords that JSON can hold, and returns a :class:`Plan`: a model, its objective, and how its data
and its training are by default. The signature is read for the command line, for the files of a run and for the
documentation; a run is rebuilt by calling the recipe again with the arguments that its file holds, never by importing
a name found there. Importing this package does not import PyTorch.
"""

from .catalogue import (
    FROM_DATA,
    OF_LOADING,
    RECIPES,
    Plan,
    Recipe,
    check,
    describe,
    find,
    make,
    parameters,
    reads,
    recipe,
)

from . import vaes as vaes  # isort: skip  (fills the catalogue)
from . import matched as matched  # isort: skip
from . import autoencoders as autoencoders  # isort: skip
from . import stacks as stacks  # isort: skip
from . import boltzmann as boltzmann  # isort: skip
from . import spherical as spherical  # isort: skip
from . import densities as densities  # isort: skip
from . import two_stage as two_stage  # isort: skip
from . import few_labels as few_labels  # isort: skip
from . import text as text  # isort: skip
from . import drawings as drawings  # isort: skip
from . import draw as draw  # isort: skip
from . import text_to_image as text_to_image  # isort: skip
from . import discrete as discrete  # isort: skip
from . import ladder as ladder  # isort: skip
from . import diffusion as diffusion  # isort: skip
from . import gan as gan  # isort: skip

__all__ = [
    "FROM_DATA",
    "OF_LOADING",
    "RECIPES",
    "Plan",
    "Recipe",
    "check",
    "describe",
    "find",
    "make",
    "parameters",
    "reads",
    "recipe",
]
