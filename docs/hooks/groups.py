"""Groups the recipes by the question that they answer: the headings and rows of `docs/guides/recipes.md` and its twin."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "Compress": ("autoencoder", "deep-autoencoder", "denoising", "contractive", "sparse"),
    "Generate": (
        "vae",
        "deep-vae",
        "iwae",
        "conditional-vae",
        "ladder",
        "draw",
        "diffusion",
        "gan",
        "vae-gan",
        "vq-vae",
    ),
    "Shape the codes": (
        "beta-tc-vae",
        "factor-vae",
        "info-vae",
        "wasserstein-autoencoder",
        "adversarial-autoencoder",
        "spherical-vae",
    ),
    "Exact densities": ("made", "pixelcnn", "flow"),
    "Energies": ("rbm",),
    "Few labels": ("m2", "m1-m2", "classifier"),
    "Text": ("text-vae",),
    "Drawings": ("sketch-rnn",),
    "Text to image": ("text-to-image", "align-draw", "caption-vae", "refiner"),
    "Two-stage": ("prior",),
}
