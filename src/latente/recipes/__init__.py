"""The catalogue: plain functions whose signature is the schema of a run.

A recipe takes what the data answers, and typed options that JSON can hold; it returns a :class:`Plan`: a model, its objective,
and how its data and its training are by default. The signature is read for the command line, for the files of a run and for the
documentation; a run is rebuilt by calling the recipe again with what its file holds, never by importing a name found there.
Importing this package does not import PyTorch.

A new recipe is a function in a file of this folder, and a line below, under the question that it answers. An installed package
brings one by an entry point of the group `latente.recipes`, which names it as `module:recipe`.
"""

from . import (
    autoencoders,
    boltzmann,
    densities,
    diffusion,
    discrete,
    draw,
    drawings,
    few_labels,
    gan,
    ladder,
    matched,
    spherical,
    stacks,
    text,
    text_to_image,
    two_stage,
    vaes,
)
from .about import About, AboutCaptions, AboutText, Answers, Base
from .catalogue import (
    RECIPES,
    Case,
    Plan,
    Recipe,
    base_of,
    check,
    curing,
    describe,
    find,
    loading_of,
    make,
    parameters,
    recipe,
    remake,
)
from .loading import LoadingOptions

__all__ = [
    "GROUPS",
    "RECIPES",
    "About",
    "AboutCaptions",
    "AboutText",
    "Answers",
    "Base",
    "Case",
    "LoadingOptions",
    "Plan",
    "Recipe",
    "base_of",
    "check",
    "curing",
    "describe",
    "find",
    "grouped",
    "loading_of",
    "make",
    "parameters",
    "recipe",
    "remake",
]

GROUPS: dict[str, tuple[Recipe[...], ...]] = {
    "Compress": (
        autoencoders.autoencoder,
        stacks.deep_autoencoder,
        autoencoders.denoising,
        autoencoders.contractive,
        autoencoders.sparse,
    ),
    "Generate": (
        vaes.vae,
        vaes.deep_vae,
        vaes.iwae,
        vaes.conditional_vae,
        ladder.ladder,
        draw.draw,
        diffusion.diffusion,
        gan.gan,
        gan.vae_gan,
        discrete.vq_vae,
    ),
    "Disentangle and shape codes": (
        matched.beta_tc_vae,
        matched.factor_vae,
        matched.info_vae,
        matched.wasserstein_autoencoder,
        matched.adversarial_autoencoder,
        spherical.spherical_vae,
    ),
    "Exact densities": (densities.made, densities.pixelcnn, densities.flow),
    "Energies": (boltzmann.rbm,),
    "Few labels": (few_labels.m2, few_labels.m1_m2, two_stage.classifier),
    "Text": (text.text_vae,),
    "Drawings": (drawings.sketch_rnn,),
    "Text to image": (
        text_to_image.text_to_image,
        draw.align_draw,
        text_to_image.caption_vae,
        text_to_image.refiner,
    ),
    "Two stages": (two_stage.prior,),
}
RECIPES.enter(*(entry for entries in GROUPS.values() for entry in entries))


def grouped() -> dict[str, list[str]]:
    """Returns the names of all recipes by the question that they answer; those of installed packages come last.

    Example:
        >>> grouped()["Few labels"]
        ['m2', 'm1-m2', 'classifier']
    """
    found = {group: [entry.name for entry in entries] for group, entries in GROUPS.items()}
    known = {name for names in found.values() for name in names}
    others = [name for name in RECIPES if name not in known]
    return {**found, "Of installed packages": others} if others else found
