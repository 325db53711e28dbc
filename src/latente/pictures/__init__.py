"""Pictures of a model: what it generates, what it gives back, and how its latent space is laid out.

Each picture is one file, named here in a line, in the order of the report. It is asked of a model and its data, or of a run, and
gives back something with `.save(path)` and `.values`, see :class:`~latente.pictures.shown.Shown`. A kind of data may bring a
version of its own, and pictures that only it has; installed packages add to the list by the entry points `latente.pictures`.

Importing this package imports neither torch nor numpy nor matplotlib: what draws is in :mod:`latente.pictures.drawing`.
"""

from ..registry import Registry
from .activations import activations
from .boundary import boundary
from .canvases import canvases
from .chains import chains
from .curves import curves
from .denoised import denoised
from .entry import Case, Entry, always, picture
from .filters import filters
from .generations import generations
from .group_bars import group_bars
from .interpolations import interpolations
from .kl_bars import kl_bars
from .levels import levels
from .manifold import manifold
from .preview import preview
from .reconstructions import reconstructions
from .samples import samples
from .scatter import scatter
from .shown import Shown
from .spectrum import spectrum
from .traversals import traversals

__all__ = [
    "PICTURES",
    "Case",
    "Entry",
    "Shown",
    "activations",
    "always",
    "boundary",
    "canvases",
    "chains",
    "curves",
    "denoised",
    "filters",
    "generations",
    "group_bars",
    "interpolations",
    "kl_bars",
    "levels",
    "manifold",
    "picture",
    "preview",
    "reconstructions",
    "samples",
    "scatter",
    "spectrum",
    "traversals",
]

PICTURES: Registry[Entry[...]] = Registry("picture", Entry, "latente.pictures")
PICTURES.enter(
    curves,
    preview,
    samples,
    canvases,
    generations,
    reconstructions,
    denoised,
    chains,
    interpolations,
    traversals,
    manifold,
    scatter,
    boundary,
    kl_bars,
    group_bars,
    levels,
    filters,
    activations,
    spectrum,
)
