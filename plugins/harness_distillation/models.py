"""A student of an encoder, and a decoder of its features. torch is imported when one is fitted."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from harness import Encoder, Images, Loss, Run
from harness_autoencoders import TrainedModel, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_distillation.networks import Distilled

MEAN_OF = 16
"""How many normal images are looked at before anything is learned: a decoder's mean features are of these."""


@dataclass
class Distillation(TrainedModel):
    """A frozen encoder, and a network that learns to give its maps; where both differ, the image is unusual."""

    uses = frozenset({"encoder", "pool", "training"})
    licence = "MIT"
    default_pool = "max"

    reductions: tuple[int, ...] = (4, 8, 16)
    """Reductions of the encoder's maps that are learned."""

    def __post_init__(self) -> None:
        if not self.reductions or min(self.reductions) < 1 or len(set(self.reductions)) != len(self.reductions):
            raise ValueError(f"reductions are {self.reductions}, expected different positive numbers such as 4-8-16")

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        assert encoder is not None, "the harness gives an encoder to models that use one"
        reductions = tuple(sorted(self.reductions))
        return self._distilled(encoder, encoder.build_pyramid(replace(run, weights=weights), reductions), run)

    @abstractmethod
    def _distilled(self, encoder: Encoder, teacher: nn.Module, run: Run) -> nn.Module:
        """The teacher with what learns from it."""

    def _train(self, normal: Images, run: Run) -> None:
        import torch

        some = torch.tensor(normal.pixels[:MEAN_OF], device=run.device).permute(0, 3, 1, 2) / 255
        cast("Distilled", self._network).begin(some)
        super()._train(normal, run)

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        levels = cast("Distilled", self._network).distances(clean)
        loss: Tensor = sum((level.mean() for level in levels), start=levels[0].new_zeros(()))
        return loss


@dataclass
class StudentTeacher(Distillation):
    """A student of the encoder's own build, from random weights; the map is the product of the levels' distances."""

    name = "student_teacher"
    source = "https://arxiv.org/abs/2103.04257 (STFPM: Wang et al., BMVC 2021)"

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W)."""
        from harness_distillation.networks import DistanceMap

        return DistanceMap(cast("Distilled", self._network), product=True, smoothing=0.0)

    def _distilled(self, encoder: Encoder, teacher: nn.Module, run: Run) -> nn.Module:
        from harness_distillation.networks import Student

        own = encoder.build_pyramid(replace(run, weights="random"), tuple(sorted(self.reductions)))
        return Student(teacher, own)


@dataclass
class ReverseDistillation(Distillation):
    """A decoder that makes the encoder's maps from a narrow embedding of them; the map is the sum of the levels'."""

    name = "reverse_distillation"
    source = "https://arxiv.org/abs/2201.10703 (Deng and Li, CVPR 2022)"

    width: int = 128
    """Channels of the embedding and of the decoder."""
    smoothing: float = 4.0
    """Standard deviation in pixels of the Gaussian that smooths maps; 0 leaves it out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"width is {self.width}, expected at least 1 channel")
        if self.smoothing < 0:
            raise ValueError(f"smoothing is {self.smoothing:g}, expected 0 or more pixels")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W)."""
        from harness_distillation.networks import DistanceMap

        return DistanceMap(cast("Distilled", self._network), product=False, smoothing=self.smoothing)

    def _distilled(self, encoder: Encoder, teacher: nn.Module, run: Run) -> nn.Module:
        from harness_distillation.networks import Reversed

        return Reversed(teacher, run.image_size, self.width)
