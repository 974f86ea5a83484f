"""A variational autoencoder, an extreme-value threshold and a robust loss."""

from __future__ import annotations

from anomaly_vae.loss import Charbonnier
from anomaly_vae.model import VAE
from anomaly_vae.threshold import Tail
from harness import Loss, Model, Threshold, hookimpl

__all__ = ["VAE", "Charbonnier", "Tail"]


@hookimpl
def harness_models() -> list[type[Model]]:
    """The variational autoencoder."""
    return [VAE]


@hookimpl
def harness_losses() -> list[type[Loss]]:
    """The Charbonnier loss."""
    return [Charbonnier]


@hookimpl
def harness_thresholds() -> list[type[Threshold]]:
    """Peaks over threshold."""
    return [Tail]
