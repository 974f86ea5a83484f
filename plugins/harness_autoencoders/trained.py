"""What models have in common that are one torch network, trained step by step on normal images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, Images, Loss, Model, Run, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


Weights = Literal["pretrained", "random"]


@dataclass
class TrainedModel(Model):
    """One network in `_network`, made by `_build`, trained by `_step`, and scored by `network()`."""

    uses: ClassVar[frozenset[str]] = frozenset({"encoder", "loss", "pool", "training"})

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Train the network. Raises TrainingError, UnavailableError, UsageError."""
        from harness_autoencoders.training import seeded

        with seeded(run):
            self._begin(encoder, loss, run, run.weights)
            self._train(normal, run)

    def score(self, images: Images) -> Scores:
        """The maps of `network()`, or its scores where the model uses no pool."""
        import torch

        from harness_autoencoders.training import reconstruction_errors

        network = self.network()

        def error(clean: Tensor, pixels: NDArray[np.uint8]) -> Tensor:
            beside = {name: torch.from_numpy(v).to(clean.device) for name, v in self.side_inputs(pixels).items()}
            maps: Tensor = network(clean, **beside)
            return maps

        found = reconstruction_errors(images, error, self._run.device)
        return Scores(maps=found) if "pool" in self.uses else Scores(images=found)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Every weight and statistic of the network."""
        return {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in self._network.state_dict().items()}

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model whose `state()` this was. `run` is as it was at the fit."""
        import torch

        from harness_autoencoders.training import seeded

        with seeded(run):
            self._begin(encoder, loss, run, "random")
        self._network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        self._network.eval()

    @abstractmethod
    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W) or scores (N,)."""

    @abstractmethod
    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        """The network to be trained; the encoder's weights are these, and not the run's."""

    @abstractmethod
    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of one batch, (N, 3, H, W) in [0, 1]."""

    def _begin(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> None:
        self._run, self._network = run, self._build(encoder, loss, run, weights).to(run.device)
        if loss is not None:
            loss.prepare(run)  # after the network, so that the network starts with the same weights under every loss

    def _train(self, normal: Images, run: Run) -> None:
        from harness_autoencoders.training import train

        train(self._network, normal, self._step, run, replayable=self._replayable())

    def _replayable(self) -> bool:
        """Whether a step is a function of images, generator and network alone, so that a GPU need not ask for each."""
        return False
