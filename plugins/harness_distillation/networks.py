"""Students, decoders, and the maps of how far they are from their teacher."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import TrainingError
from harness_autoencoders import level_shapes
from harness_distillation.frozen import Frozen


class Distilled(nn.Module):
    """A teacher, and what learns to give its maps."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = Frozen(teacher)

    def begin(self, images: Tensor) -> list[Tensor]:
        """The teacher's features of some normal images (N, 3, H, W). Raises TrainingError if they are no numbers."""
        levels: list[Tensor] = self.teacher(images)
        if not all(level.isfinite().all() for level in levels):
            raise TrainingError("the encoder gives features that are not finite")
        return levels

    @abstractmethod
    def distances(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] to distances (N, h, w) for each level, the finest first."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """The same."""
        return self.distances(images)


class Student(Distilled):
    """The student sees the image, as the teacher does (STFPM)."""

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        super().__init__(teacher)
        self.student = student
        self.to(memory_format=torch.channels_last)

    def distances(self, images: Tensor) -> list[Tensor]:
        """Half the squared distance of both, their features brought to length 1 at each place (equation 2)."""
        pairs = zip(self.teacher(images), self.student(images), strict=True)
        return [(_unit(taught) - _unit(learned)).square().sum(dim=1) / 2 for taught, learned in pairs]


class Reversed(Distilled):
    """The decoder sees a narrow embedding of the teacher's maps, too small for what is unusual in them."""

    def __init__(self, teacher: nn.Module, image_size: int, width: int) -> None:
        super().__init__(teacher)
        shapes = level_shapes(teacher, image_size)
        channels = [shape[0] for shape in shapes]
        levels = len(channels)
        # Each finer map is halved until it is as small as the coarsest one.
        self.halving = nn.ModuleList(
            nn.Sequential(_block(count, width, 1), *(_block(width, width, 2) for _ in range(levels - 1 - level)))
            for level, count in enumerate(channels)
        )
        self.embedding = nn.Sequential(_block(levels * width, width, 1), _block(width, width, 2))
        self.decoding = nn.ModuleList(_block(width, width, 1) for _ in channels)
        self.heads = nn.ModuleList(Head(width, shape) for shape in reversed(shapes))
        self.to(memory_format=torch.channels_last)

    def begin(self, images: Tensor) -> list[Tensor]:
        """Take the scale of features from some normal images (N, 3, H, W), and start from their mean at each place."""
        levels = super().begin(images)
        for head, level in zip(self.heads, reversed(levels), strict=True):
            assert isinstance(head, Head)
            head.mean.copy_(level.mean(dim=0, keepdim=True))
            head.std.copy_(level.std(dim=(0, 2, 3), keepdim=True))
        return levels

    def distances(self, images: Tensor) -> list[Tensor]:
        """1 minus the cosine of both at each place (equation 1)."""
        maps = self.teacher(images)
        smallest = maps[-1].shape[2:]
        joined = [
            functional.adaptive_avg_pool2d(half(level), smallest)
            for half, level in zip(self.halving, maps, strict=True)
        ]
        features = self.embedding(torch.cat(joined, dim=1))
        found = []
        for block, head, level in zip(self.decoding, self.heads, reversed(maps), strict=True):
            features = block(functional.interpolate(features, size=level.shape[2:], mode="nearest"))
            found.append(1 - functional.cosine_similarity(head(features).float(), level.float(), dim=1))
        return found[::-1]


class Head(nn.Module):
    """From the decoder's features to the teacher's, in standard units of the latter: at first the mean at each place.

    Borders look unlike the rest to any encoder that pads, and a short fit would learn little else.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, shape: torch.Size) -> None:
        super().__init__()
        self.layer = nn.Conv2d(width, shape[0], 1)
        nn.init.zeros_(self.layer.weight)
        assert self.layer.bias is not None
        nn.init.zeros_(self.layer.bias)
        self.register_buffer("mean", torch.zeros(1, *shape))
        self.register_buffer("std", torch.ones(1, shape[0], 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, width, h, w) to (N, channels, h, w)."""
        output: Tensor = self.mean + self.std * self.layer(features)
        return output


class DistanceMap(nn.Module):
    """The levels' distances, enlarged to the image and multiplied or added."""

    def __init__(self, network: Distilled, *, product: bool, smoothing: float) -> None:
        super().__init__()
        self.network, self.product, self.smoothing = network, product, smoothing

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W)."""
        levels = [enlarged(level, images.shape[2]) for level in self.network.distances(images)]
        whole = torch.stack(levels).prod(dim=0) if self.product else torch.stack(levels).sum(dim=0)
        return blurred(whole, self.smoothing)


def enlarged(maps: Tensor, side: int) -> Tensor:
    """(N, h, w) to (N, side, side), bilinear."""
    return functional.interpolate(maps[:, None].float(), size=(side, side), mode="bilinear")[:, 0]


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Maps (N, H, W) under a Gaussian of this standard deviation in pixels, their borders repeated."""
    if not sigma:
        return maps
    reach = int(3 * sigma + 0.5)
    places = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = (-(places / sigma).square() / 2).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = functional.pad(maps[:, None], (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]


def _unit(maps: Tensor) -> Tensor:
    return functional.normalize(maps.float(), dim=1)


def _block(before: int, after: int, stride: int) -> nn.Sequential:
    """Statistics of the whole map of an image stand for those of a batch, which short fits would not learn."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(1, after), nn.ReLU()
    )
