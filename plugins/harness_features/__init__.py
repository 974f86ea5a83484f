"""Baselines: models of frozen features, which show what a trained autoencoder is worth."""

from __future__ import annotations

from harness import Model, hookimpl
from harness_features.models import FeatureAE, FrozenFeatures, PaDiM, PatchCore

__all__ = ["FeatureAE", "FrozenFeatures", "PaDiM", "PatchCore"]


@hookimpl
def harness_models() -> list[type[Model]]:
    """Nearest neighbours, Gaussians and an autoencoder, each of patch features."""
    return [PatchCore, PaDiM, FeatureAE]
