"""The figures that latente measures: one file a measurement, listed here in the order in which they are read.

A new measurement is a class in a file of this folder, and a line below. Those before it in the list are at hand where it is
computed. An installed package brings one by an entry point of the group `latente.figures`, which names an instance.
"""

from ...registry import Registry
from ..measurement import Measurement
from . import (
    alignment,
    baselines,
    beta,
    bits,
    bound,
    codeless,
    codes,
    components,
    directions,
    drawings,
    files,
    labels,
    learning,
    likelihood,
    quality,
    refinement,
    restored,
    sampling,
    shuffle,
    text,
    training,
    variances,
    weighted,
)

__all__ = ["FIGURES"]

FIGURES: Registry[Measurement] = Registry("figure", Measurement, "latente.figures")  # type: ignore[type-abstract]

FIGURES.enter(
    labels.MeasureLabels(),
    bound.MeasureBound(),
    weighted.MeasureNll(),
    text.MeasurePerplexity(),
    drawings.MeasurePoints(),
    bits.MeasureBits(),
    files.MeasureCodecs(),
    training.MeasureTraining(),
    codes.MeasureCodes(),
    shuffle.MeasureShuffle(),
    likelihood.MeasureLikelihood(),
    restored.MeasureRestored(),
    beta.MeasureBeta(),
    baselines.MeasureBaselines(),
    sampling.MeasureSampling(),
    learning.MeasureLearning(),
    refinement.MeasureRefinement(),
    codeless.MeasureCodeless(),
    variances.MeasureVariances(),
    directions.MeasureDirections(),
    components.MeasureComponents(),
    alignment.MeasureAlignment(),
    quality.MeasureQuality(),
)
