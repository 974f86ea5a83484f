"""The networks of EfficientAD: patch descriptions of a small teacher, its student and an autoencoder."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Images, Run, TrainingError
from harness_distillation.frozen import Frozen
from harness_distillation.networks import enlarged

BATCH = 16
EMBEDDING = 64
"""Numbers of an image between the autoencoder's halves."""


def description(width: int, channels: int) -> nn.Sequential:
    """The small network of table 6: (N, 3, H, W) to (N, channels, H/4, W/4), each from 33x33 pixels."""
    return nn.Sequential(
        *_even(3, width),
        nn.ReLU(),
        nn.AvgPool2d(2),
        *_even(width, 2 * width),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.ReLU(),
        *_even(2 * width, channels),
    )


def _even(before: int, after: int) -> tuple[nn.Module, nn.Module]:
    """A 4x4 convolution that keeps the size."""
    return nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(before, after, 4)


class Described(nn.Module):
    """What the teacher is to say: the encoder's maps, joined, averaged to fewer channels and in standard units."""

    def __init__(self, pyramid: nn.Module, channels: int) -> None:
        super().__init__()
        self.pyramid, self.channels = Frozen(pyramid), channels
        self.mean = torch.zeros(1, channels, 1, 1)
        self.std = torch.ones(1, channels, 1, 1)

    def forward(self, images: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, channels, *size)."""
        levels = [functional.interpolate(level, size=tuple(size), mode="bilinear") for level in self.pyramid(images)]
        joined = torch.cat(levels, dim=1)
        count, _, height, width = joined.shape
        flat = joined.permute(0, 2, 3, 1).reshape(-1, 1, joined.shape[1])
        fewer = functional.adaptive_avg_pool1d(flat, self.channels)
        pooled = fewer.view(count, height, width, self.channels).permute(0, 3, 1, 2)
        return (pooled - self.mean.to(pooled)) / self.std.to(pooled)

    def standardise(self, normal: Images, run: Run) -> None:
        """Take the mean and deviation of each channel over all normal images. Raises TrainingError for no numbers."""
        total = squares = torch.zeros(self.channels, dtype=torch.float64)
        places = 0
        for start in range(0, len(normal), BATCH):
            batch = torch.tensor(normal.pixels[start : start + BATCH], device=run.device).permute(0, 3, 1, 2) / 255
            rows = self(batch, (batch.shape[2] // 4, batch.shape[3] // 4)).permute(0, 2, 3, 1).flatten(0, 2)
            rows = rows.double().cpu()
            total, squares, places = total + rows.sum(dim=0), squares + rows.square().sum(dim=0), places + len(rows)
        mean = total / places
        deviation = (squares / places - mean.square()).clamp_min(0).sqrt()
        if not deviation.isfinite().all():
            raise TrainingError("the encoder gives features that are not finite")
        self.mean = mean.float().view(1, -1, 1, 1)
        self.std = deviation.clamp_min(1e-6 + 0.01 * float(deviation.mean())).float().view(1, -1, 1, 1)


class FeatureAutoencoder(nn.Module):
    """Foresees the teacher's description from a few numbers of the whole image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (3, 32, 32, EMBEDDING, EMBEDDING, EMBEDDING)
        down: list[nn.Module] = []
        for before, after in pairwise(widths):
            down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.down = nn.Sequential(*down[:-1], nn.AdaptiveAvgPool2d(4))
        self.up = nn.ModuleList(nn.Conv2d(EMBEDDING, EMBEDDING, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(EMBEDDING, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, channels, H/4, W/4)."""
        side = images.shape[2] // 4
        features = self.down(images)
        for divisor, layer in zip((4, 1), self.up, strict=True):
            features = functional.interpolate(features, size=(max(side // divisor, 1),) * 2, mode="bilinear")
            features = layer(features).relu()
        foreseen: Tensor = self.last(features)
        return foreseen


class TeacherStudentAutoencoder(nn.Module):
    """All three; the student gives twice as many numbers, for it repeats the teacher and the autoencoder."""

    quantiles: Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.teacher = Frozen(description(width, channels))
        self.student = description(width, 2 * channels)
        self.autoencoder = FeatureAutoencoder(channels)
        self.register_buffer("quantiles", torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """(N, 3, H, W) to what the teacher says, what the student says of both, and what the autoencoder says."""
        learned, followed = self.student(images).split(self.channels, dim=1)
        return self.teacher(images), (learned, followed), self.autoencoder(images)

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to how far the student is from the teacher and from the autoencoder, (N, H, W) each."""
        taught, (learned, followed), foreseen = self(images)
        pairs = ((taught, learned), (foreseen, followed))
        of_student, of_autoencoder = (
            enlarged((one - other).square().mean(dim=1), images.shape[2]) for one, other in pairs
        )
        return of_student, of_autoencoder


class CombinedMap(nn.Module):
    """The mean of both maps, each in units of its own quantiles on normal images."""

    def __init__(self, network: TeacherStudentAutoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W)."""
        scaled: list[Tensor] = []
        for one, (low, high) in zip(self.network.maps(images), self.network.quantiles.unbind(), strict=True):
            scaled.append(0.1 * (one - low) / (high - low).clamp_min(1e-12))
        return (scaled[0] + scaled[1]) / 2


def hardest(errors: Tensor, share: float) -> Tensor:
    """The mean of the largest share of the errors, at least of one (section 3.1)."""
    flat = errors.flatten()
    return flat.topk(max(1, int(share * len(flat))), sorted=False).values.mean()


def relit(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, 3, H, W) in [0, 1], brighter or darker, or of more or less contrast, by up to a fifth."""
    drawn = torch.rand(2, device=images.device, generator=generator)
    factor = 0.8 + 0.4 * drawn[0]
    around = images.mean(dim=(1, 2, 3), keepdim=True) if float(drawn[1]) < 0.5 else images.new_zeros(())
    return (around + (images - around) * factor).clamp(0, 1)
