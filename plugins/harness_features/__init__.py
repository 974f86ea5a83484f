"""Models of frozen features: yardsticks that show what a trained autoencoder is worth."""

from __future__ import annotations

from harness import Model, hookimpl
from harness_features.detectors import KNN, Gaussian, Subspace
from harness_features.models import FeatureAE, FrozenFeatures, PaDiM, PatchCore, RandomMemory
from harness_features.outliers import Outlier

__all__ = [
    "KNN",
    "FeatureAE",
    "FrozenFeatures",
    "Gaussian",
    "Outlier",
    "PaDiM",
    "PatchCore",
    "RandomMemory",
    "Subspace",
]


@hookimpl
def harness_models() -> list[type[Model]]:
    """Memories, Gaussians, a subspace, an autoencoder of patches, and outlier detectors of whole images."""
    return [PatchCore, RandomMemory, PaDiM, FeatureAE, KNN, Subspace, Gaussian, Outlier]
