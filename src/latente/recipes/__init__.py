"""The catalogue: plain functions whose signature is the schema of a run.

A recipe takes what the data answers, and typed options that JSON can hold; it returns a :class:`Plan`: a model, its objective,
and how its data and its training are by default. The signature is read for the command line, for the files of a run and for the
documentation; a run is rebuilt by calling the recipe again with what its file holds, never by importing a name found there.
Importing this package does not import PyTorch.

A new recipe is a function in a file of this folder, and a line below. An installed package brings one by an entry point of the
group `latente.recipes`, which names it as `module:recipe`.
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
from .about import About, AboutText, Answers, Base, Captioned
from .catalogue import (
    RECIPES,
    Plan,
    Recipe,
    base_of,
    check,
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
    "RECIPES",
    "About",
    "AboutText",
    "Answers",
    "Base",
    "Captioned",
    "LoadingOptions",
    "Plan",
    "Recipe",
    "base_of",
    "check",
    "describe",
    "find",
    "loading_of",
    "make",
    "parameters",
    "recipe",
    "remake",
]

RECIPES.enter(
    vaes.vae,
    vaes.iwae,
    vaes.conditional_vae,
    vaes.deep_vae,
    matched.adversarial_autoencoder,
    matched.wasserstein_autoencoder,
    matched.info_vae,
    matched.beta_tc_vae,
    matched.factor_vae,
    autoencoders.autoencoder,
    autoencoders.denoising,
    autoencoders.contractive,
    autoencoders.sparse,
    stacks.deep_autoencoder,
    boltzmann.rbm,
    spherical.spherical_vae,
    densities.made,
    densities.pixelcnn,
    densities.flow,
    two_stage.prior,
    two_stage.classifier,
    few_labels.m2,
    few_labels.m1_m2,
    text.text_vae,
    drawings.sketch_rnn,
    draw.draw,
    draw.align_draw,
    text_to_image.text_to_image,
    text_to_image.caption_vae,
    text_to_image.refiner,
    discrete.vq_vae,
    ladder.ladder,
    diffusion.diffusion,
    gan.gan,
    gan.vae_gan,
)
