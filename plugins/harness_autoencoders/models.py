"""The paper's two models. torch is imported when one is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, Images, Loss, Run, UnavailableError
from harness_autoencoders.trained import TrainedModel, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_autoencoders.adversary import Adversary
    from harness_autoencoders.networks import Autoencoder

PAPER = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data with Autoencoders, 3.3"
_NOISE_SEED = "noise_seed"


@dataclass
class Reconstruction(TrainedModel):
    """An autoencoder of normal images; the error map of its reconstruction is the score."""

    widths: tuple[int, ...] = (128, 128, 64, 32)
    """Channels of the decoder's first four convolutions."""
    bottleneck: Literal["auto", "none", "dense"] = "auto"
    latent_dim: int = 128
    """How many numbers a dense bottleneck has."""
    attention: Literal["none", "squeeze_excite"] = "none"
    """Channel attention after each of the decoder's first four convolutions."""
    adversarial: float = 0.0
    """The weight in the loss of a patch discriminator that learns to tell reconstructions from images; 0: none."""

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise ValueError(f"widths are {self.widths}, expected four positive numbers such as 128-128-64-32")
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim is {self.latent_dim}, expected at least 1")
        if self.adversarial < 0:
            raise ValueError(f"adversarial is {self.adversarial:g}, expected 0 or more")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to the error maps (N, H, W) of their reconstructions."""
        from harness_autoencoders.networks import ReconstructionError

        return ReconstructionError(self._network, self._loss)

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        """The bottleneck, where it is left to encoder or model; on a GPU, whether fused kernels have trained it."""
        from harness_timm import fused_on

        bottleneck = {"bottleneck": self._resolved_bottleneck(encoder)} if self.bottleneck == "auto" else {}
        device = getattr(self, "_run", Run()).device  # before a fit there is no run, and nothing has been trained
        # Their gradients of biases differ from torch's in the last digits, so two records must be told apart by it.
        return bottleneck | ({"kernels": "fused"} if fused_on(device) else {})

    def _resolved_bottleneck(self, encoder: Encoder | None) -> str:
        if self.bottleneck != "auto":
            return self.bottleneck
        return "dense" if encoder is not None and encoder.bottleneck else "none"

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        if encoder is None or loss is None:
            raise TypeError(f"{self.name} takes an encoder and a loss")
        self._loss = loss
        self._adversary: Adversary | None = None
        built = encoder.build(replace(run, weights=weights))
        dense = self._resolved_bottleneck(encoder) == "dense"
        return self._autoencoder(built, run.image_size, self.latent_dim if dense else None)

    def _autoencoder(self, encoder: nn.Module, image_size: int, latent_dim: int | None) -> Autoencoder:
        from harness_autoencoders.networks import Autoencoder

        return Autoencoder(encoder, image_size, widths=self.widths, latent_dim=latent_dim, attention=self.attention)

    def _train(self, normal: Images, run: Run) -> None:
        from harness_autoencoders.adversary import Adversary

        # It is made after the network, so that the network starts with the same weights with and without it.
        self._adversary = Adversary(run) if self.adversarial else None
        super()._train(normal, run)
        adversary, self._adversary = self._adversary, None
        if adversary is not None and not adversary.steps:
            raise UnavailableError(f"{self.name} trains by a step of its own, in which adversarial has no part")

    def _replayable(self) -> bool:
        return type(self)._step in (DAE._step, CAE._step) and self._adversary is None

    def _error(self, output: Tensor, clean: Tensor) -> Tensor:
        """The loss of reconstructions (N, 3, H, W), and what the adversary, if there is one, thinks of them."""
        loss = self._loss(output, clean)
        if self._adversary is None:
            return loss
        self._adversary.learn(output, clean)
        return loss + self.adversarial * self._adversary.suspicion(output)


@dataclass
class DAE(Reconstruction):
    """Denoising autoencoder: reconstructs the clean image from a corrupted one, in training and in scoring."""

    name = "dae"
    version = 3  # 1 drew weights, order and noise from one seed; 2 drew the noise of scoring outside of the network
    licence = "MIT"
    source = f"{PAPER}; Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294"
    noise: Literal["gaussian", "masking", "salt_pepper"] = "gaussian"
    level: float = 0.1
    """Standard deviation of the noise, or share of corrupted pixels; images are in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._drawn_outside = False
        if not 0 <= self.level <= 1:
            raise ValueError(f"level is {self.level:g}, expected a number from 0 to 1")

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        from harness_autoencoders.corruption import corrupt

        return self._error(self._network(corrupt(clean, self.noise, self.level, generator)), clean)

    def network(self) -> nn.Module:
        """As for any autoencoder. Images are corrupted in it, each by its own pixels and the seed of the run."""
        from harness_autoencoders.content_noise import ContentNoise
        from harness_autoencoders.networks import DenoisingError

        source = None if self._drawn_outside else ContentNoise(self._run.seed)
        return DenoisingError(self._network, self._loss, source, self.noise, self.level)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Every weight and statistic of the network, and the seed of the noise, which models of version 2 lack."""
        return {**super().state(), _NOISE_SEED: np.array([self._run.seed])}

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """As any autoencoder does. One of version 2 keeps the noise that its limit was set with."""
        weights = {name: array for name, array in state.items() if name != _NOISE_SEED}
        super().restore(weights, encoder=encoder, loss=loss, run=run)
        self._drawn_outside = _NOISE_SEED not in state

    def side_inputs(self, pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """Nothing; for models that were kept by version 2 the noise of each image."""
        if not self._drawn_outside:
            return {}
        from harness_autoencoders.corruption import draw_by_content

        return {"noise": draw_by_content(pixels, self.noise, self.level, self._run.seed).numpy()}


@dataclass
class CAE(Reconstruction):
    """Contractive autoencoder: adds the squared Frobenius norm of the latent's Jacobian in the image to the loss."""

    name = "cae"
    version = 2  # 1 drew weights, order and probes from one seed
    licence = "MIT"
    source = f"{PAPER}; Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf"
    penalty: Literal["reverse", "forward", "exact"] = "reverse"
    """How the norm is computed: from random vectors times the Jacobian, the Jacobian times them, or exactly."""
    probes: int = 1
    """Random vectors for each image and step."""
    contraction: float = 1e-3
    """The weight of the norm in the loss, lambda in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probes < 1:
            raise ValueError(f"probes is {self.probes}, expected at least 1")
        if self.contraction < 0:
            raise ValueError(f"contraction is {self.contraction:g}, expected 0 or more")

    def _resolved_bottleneck(self, encoder: Encoder | None) -> str:
        return "none" if self.bottleneck == "none" else "dense"

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        from harness_autoencoders.contraction import contraction

        network = cast("Autoencoder", self._network)
        latent, norm = contraction(network.encode, clean, self.penalty, self.probes, generator)
        return self._error(network.decode(latent), clean) + self.contraction * norm
