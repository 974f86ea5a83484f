"""Models that reconstruct images, beside the paper's two: variational, inpainting, adversarial and discriminative."""

from __future__ import annotations

from harness import Model, hookimpl
from harness_reconstruction.discriminative import Discriminative
from harness_reconstruction.ganomaly import GANomaly
from harness_reconstruction.inpainting import Inpainting
from harness_reconstruction.variational import VAE

__all__ = ["VAE", "Discriminative", "GANomaly", "Inpainting"]


@hookimpl
def harness_models() -> list[type[Model]]:
    """Offer `vae`, `inpainting`, `ganomaly` and `discriminative`."""
    return [VAE, Inpainting, GANomaly, Discriminative]
