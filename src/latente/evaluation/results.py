"""Evaluates runs: what is measured of one is stored in its folder, and is read again while its weights are the same.

======================  ================================================================================
`evaluation.json`       what `latente evaluate` measured last
`diagnosis.json`        the same figures with those of the doctor
`samples.json`          how good generated images are, and how they follow captions
======================  ================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import LatenteError, RunError
from ..runs import Run
from ..runs.store import damaged, keep, kept
from .diagnosis import diagnose
from .evaluate import evaluate_model, listed
from .generation import chooser_of
from .record import Evaluation
from .subject import Split, Subject

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
