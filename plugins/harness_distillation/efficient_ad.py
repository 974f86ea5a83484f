"""EfficientAD in its small form. torch is imported when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from harness import Encoder, Images, Loss, Progress, Run
from harness_autoencoders import TrainedModel, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_distillation.patch_description import TeacherStudentAutoencoder

QUANTILES = (0.9, 0.995)
"""Of normal maps; they come to 0 and 0.1, so that both maps weigh the same (section 3.3)."""
TEACHING = 3
"""One epoch in so many goes to the teacher."""


@dataclass
class EfficientAD(TrainedModel):
    """A small teacher distilled from the encoder, a student that repeats it, and an autoencoder that foresees it."""

    name = "efficient_ad"
    source = "https://arxiv.org/abs/2303.14535 (Batzner, Heckler and Koenig, WACV 2024)"
    licence = "MIT"
    uses = frozenset({"encoder", "pool", "training"})
    default_pool = "max"

    reductions: tuple[int, ...] = (8, 16)
    """Reductions of the encoder's maps that the teacher is distilled from."""
    channels: int = 384
    """Numbers that the teacher gives of each place."""
    width: int = 128
    """Channels of the first convolution of teacher and student; the others have twice as many."""
    hard: float = 0.001
    """The share of the student's errors, the largest, that it learns from."""

    def __post_init__(self) -> None:
        if not self.reductions or min(self.reductions) < 1:
            raise ValueError(f"reductions are {self.reductions}, expected positive numbers such as 8-16")
        if min(self.channels, self.width) < 1:
            raise ValueError(f"channels is {self.channels} and width {self.width}, expected at least 1 each")
        if not 0 < self.hard <= 1:
            raise ValueError(f"hard is {self.hard:g}, expected a share above 0 and up to 1")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W)."""
        from harness_distillation.patch_description import CombinedMap

        return CombinedMap(cast("TeacherStudentAutoencoder", self._network))

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        from harness_distillation.patch_description import TeacherStudentAutoencoder

        self._encoder = encoder
        return TeacherStudentAutoencoder(self.channels, self.width)

    def _train(self, normal: Images, run: Run) -> None:
        import torch

        from harness_autoencoders import reconstruction_errors, train
        from harness_distillation.patch_description import Described

        network = cast("TeacherStudentAutoencoder", self._network)
        encoder, self._encoder = self._encoder, None
        assert encoder is not None, "the harness gives an encoder to models that use one"
        described = Described(encoder.build_pyramid(run, self.reductions), self.channels).to(run.device)
        described.standardise(normal, run)
        first = max(1, run.epochs // TEACHING)
        teacher = network.teacher.network.requires_grad_(True)

        def teaching(clean: Tensor, generator: torch.Generator) -> Tensor:
            said = teacher(clean)
            error: Tensor = (said - described(clean, said.shape[2:])).square().mean()
            return error

        train(teacher, normal, teaching, _part(run, 0, first))
        network.teacher.freeze()
        super()._train(normal, _part(run, min(first, run.epochs - 1), max(1, run.epochs - first)))

        def map_of(branch: int, clean: Tensor) -> Tensor:
            return network.maps(clean)[branch]

        for branch in range(2):
            maps = reconstruction_errors(normal, lambda clean, _: map_of(branch, clean), run.device)  # noqa: B023
            network.quantiles[branch].copy_(torch.from_numpy(np.quantile(maps, QUANTILES).astype(np.float32)))

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        from harness_distillation.patch_description import hardest, relit

        network = cast("TeacherStudentAutoencoder", self._network)
        taught, (learned, _), _ = network(clean)
        other = relit(clean, generator)
        of_other, (_, followed), foreseen = network(other)
        foreseeing: Tensor = (of_other - foreseen).square().mean()
        following: Tensor = (foreseen.detach() - followed).square().mean()
        return hardest((taught - learned).square(), self.hard) + foreseeing + following


def _part(run: Run, before: int, epochs: int) -> Run:
    """A run of some of the epochs, reported as what they are among all."""

    def report(progress: Progress) -> None:
        run.report(replace(progress, epoch=before + progress.epoch, epochs=run.epochs))

    return replace(run, epochs=epochs, report=report)
