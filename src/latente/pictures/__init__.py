"""Pictures of a model: what it generates, what it gives back, and how its latent space is laid out.

Every function takes the model and its data, and returns a :class:`Picture` with `.save(path)`. The choices made here: an
image that is shown is the *mean* of the likelihood unless its label says sampled, because pixel noise hides what a code
means; examples are held-out ones; the header names the benchmark, since pictures of two binarisations do not compare any more
than their figures do; all draws come from a seeded fork of the generators, so the same call gives the same bytes and the
global generators are left as they were. Figures are made without pyplot, so no global state of matplotlib is touched.
"""

from .boundary import boundary
from .canvas import Picture
from .captioned import Animation, canvases, generations, reads_captions
from .charts import curves, group_bars, kl_bars, scatter
from .images import interpolations, manifold, traversals
from .ink import Drawing, Sheet
from .insides import activations, spectrum
from .levels import levels
from .noise import chains, corruption, denoised
from .preview import preview
from .sketches import analogy, completions, temperatures
from .texts import Lines
from .views import grid, reconstructions, samples
from .weights import filters

__all__ = [
    "Animation",
    "Drawing",
    "Lines",
    "Picture",
    "Sheet",
    "activations",
    "analogy",
    "boundary",
    "canvases",
    "chains",
    "completions",
    "corruption",
    "curves",
    "denoised",
    "filters",
    "generations",
    "grid",
    "group_bars",
    "interpolations",
    "kl_bars",
    "levels",
    "manifold",
    "preview",
    "reads_captions",
    "reconstructions",
    "samples",
    "scatter",
    "spectrum",
    "temperatures",
    "traversals",
]
