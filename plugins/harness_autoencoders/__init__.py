"""Denoising and contractive autoencoders, and the training loop, network and scoring that other plugins may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Model, hookimpl
from harness_autoencoders.models import CAE, DAE, Reconstruction
from harness_autoencoders.trained import TrainedModel, Weights

if TYPE_CHECKING:
    from harness_autoencoders.adversary import Adversary
    from harness_autoencoders.networks import Autoencoder, Decoder, ReconstructionError, level_shapes
    from harness_autoencoders.training import minimise, reconstruction_errors, seeded, train

__all__ = [
    "CAE",
    "DAE",
    "Adversary",
    "Autoencoder",
    "Decoder",
    "Reconstruction",
    "ReconstructionError",
    "TrainedModel",
    "Weights",
    "level_shapes",
    "minimise",
    "reconstruction_errors",
    "seeded",
    "spawned_seeds",
    "train",
]


@hookimpl
def harness_models() -> list[type[Model]]:
    """The paper's two models."""
    return [CAE, DAE]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for, so that listing parts is fast."""
    if name in __all__:
        from harness_autoencoders import adversary, networks, training

        return next(vars(module)[name] for module in (networks, training, adversary) if name in vars(module))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
