"""The variational autoencoder, on the training and scoring loops of harness_autoencoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, Images, Loss, Model, Run, Scores, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass
class VAE(Model):
    """Variational autoencoder: reconstructs an image from the mean of a latent Gaussian that is kept near the standard one."""

    name = "small_vae"
    uses: ClassVar[frozenset[str]] = frozenset({"encoder", "loss", "pool", "training"})
    licence = "MIT"
    source = "Kingma and Welling 2013, https://arxiv.org/abs/1312.6114"
    latent_dim: int = 32
    beta: float = 1e-4
    """Weight of the Kullback-Leibler divergence of one image, against the mean error of a pixel."""
    widths: tuple[int, ...] = (64, 64, 32, 16)
    """Of the decoder's first four convolutions."""

    def __post_init__(self) -> None:
        if self.latent_dim < 1 or self.beta < 0:
            raise ValueError(f"latent_dim is {self.latent_dim} and beta {self.beta:g}, expected at least 1 and 0")

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Train with the reparametrisation trick. Raises TrainingError, UnavailableError, UsageError."""
        from harness_autoencoders import seeded, train

        with seeded(run):
            self._build(encoder, loss, run)
            train(self._network, normal, self._step, run)

    def score(self, images: Images) -> Scores:
        """The error map of the reconstruction."""
        from harness_autoencoders import reconstruction_errors

        network = self.network()

        def error(clean: Tensor, pixels: NDArray[np.uint8]) -> Tensor:
            maps: Tensor = network(clean)
            return maps

        return Scores(maps=reconstruction_errors(images, error, self._device))

    def network(self) -> nn.Module:
        """The same as one module, which `harness pack` takes."""
        from harness_autoencoders import ReconstructionError

        return ReconstructionError(self._network, self._loss)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Every weight of the network."""
        return {name: np.ascontiguousarray(values.cpu().numpy()) for name, values in self._network.state_dict().items()}

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model whose `state()` this was."""
        import torch

        self._build(encoder, loss, replace(run, weights="random"))
        self._network.load_state_dict({name: torch.tensor(values) for name, values in state.items()})
        self._network.eval()

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        from anomaly_vae.network import VariationalNetwork

        assert encoder is not None
        assert loss is not None
        built = encoder.build(run)
        if built.reduction != 16:
            raise UsageError(f"encoder {encoder.name!r} has reduction {built.reduction}, expected 16")
        loss.prepare(run)
        network = VariationalNetwork(built, run.image_size, self.latent_dim, self.widths)
        self._network: VariationalNetwork = network.to(run.device)
        self._loss, self._device = loss, run.device

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        mean, log_variance = self._network.encode(clean)
        noise = torch.empty_like(mean).normal_(generator=generator)
        output = self._network.decode(mean + (log_variance / 2).exp() * noise)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean() / 2
        return self._loss(output, clean) + self.beta * divergence
