"""The figures that latente measures: one file a measurement, listed here in the order in which they are read.

A new measurement is a class in a file of this folder, and a line below. Those before it in the list are at hand where it is
computed.
"""

from ..measurement import Measurement
from . import (
    alignment,
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
    likelihood,
    quality,
    refinement,
    restored,
    shuffle,
    text,
    training,
    variances,
    weighted,
)

__all__ = ["FIGURES"]

FIGURES: dict[str, Measurement] = {
    entry.name: entry
    for entry in (
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
        refinement.MeasureRefinement(),
        codeless.MeasureCodeless(),
        variances.MeasureVariances(),
        directions.MeasureDirections(),
        components.MeasureComponents(),
        alignment.MeasureAlignment(),
        quality.MeasureQuality(),
    )
}
