"""A stranger's model, written against contract 1: a small autoencoder that takes an encoder, a loss and a pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import Encoder, Images, Loss, Model, Progress, Run, Scores, TrainingError, hookimpl


@dataclass
class StrangerAutoencoder(Model):
    """A linear decoder on the features of any encoder of reduction 16."""

    name = "stranger_ae"
    licence = "MIT"
    source = "https://example.org/stranger_ae"
    uses = frozenset({"encoder", "loss", "pool", "training"})
    default_pool = "mean"
    width: int = 8

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        return {"width": str(self.width)}

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        import torch

        assert encoder is not None
        assert loss is not None
        loss.prepare(run)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            self._build(encoder, loss, run)
        optimizer = torch.optim.Adam(self._net.parameters(), lr=run.learning_rate)
        order = np.random.default_rng(run.seed)
        for epoch in range(1, run.epochs + 1):
            total = 0.0
            for at in np.array_split(order.permutation(len(normal)), max(1, len(normal) // run.batch_size)):
                images = _tensor(normal.pixels[np.sort(at)])
                value = loss(self._net(images), images)
                if not torch.isfinite(value):
                    raise TrainingError(f"the loss is {value.item()} in epoch {epoch}")
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                total += value.item() * len(at)
            run.report(Progress(epoch, run.epochs, total / len(normal), len(normal)))
        self._net.eval()

    def score(self, images: Images) -> Scores:
        import torch

        with torch.inference_mode():
            return Scores(maps=self.network()(_tensor(images.pixels)).numpy())

    def network(self):
        from torch import nn

        class Errors(nn.Module):
            def __init__(self, net, loss):
                super().__init__()
                self.net, self.loss = net, loss

            def forward(self, images):
                return self.loss.error_map(self.net(images), images)

        return Errors(self._net, self._loss)

    def state(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {name: value.detach().numpy() for name, value in self._net.state_dict().items()}

    def restore(self, state, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        import torch

        assert loss is not None
        loss.prepare(run)
        self._build(encoder, loss, run)
        self._net.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        self._net.eval()

    def _build(self, encoder, loss, run):
        from torch import nn

        features = encoder.build(run)
        self._loss = loss
        self._net = nn.Sequential(
            features,
            nn.Conv2d(features.channels, self.width, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(self.width, 3, features.reduction, stride=features.reduction),
            nn.Sigmoid(),
        )


def _tensor(pixels):
    import torch

    return torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255


@hookimpl
def harness_models():
    return [StrangerAutoencoder]
