"""The losses on offer. torch is imported when one is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Loss, Run, UsageError
from harness_timm import Timm

if TYPE_CHECKING:
    from torch import Tensor, nn


class MSE(Loss):
    """The squared difference, averaged over channels."""

    name = "mse"
    licence = "MIT"
    source = "Kumar, Malik and Puglisi, equation 1"

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W)."""
        return (output.float() - target).square().mean(dim=1)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean of the map, in one pass."""
        from torch.nn.functional import mse_loss

        return mse_loss(output.float(), target)


class L1(Loss):
    """The absolute difference, averaged over channels."""

    name = "l1"
    licence = "MIT"
    source = "https://arxiv.org/abs/1511.08861"

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W)."""
        return (output.float() - target).abs().mean(dim=1)


@dataclass
class SSIM(Loss):
    """1 - structural similarity: Gaussian window of standard deviation 1.5, for values in [0, 1].

    Training takes the mean over whole windows, as pytorch-msssim does; the map mirrors images at their borders.
    """

    name = "ssim"
    licence = "MIT"
    source = "Wang et al., https://doi.org/10.1109/TIP.2003.819861; Kumar, Malik and Puglisi, equation 2"
    mean_of_map = False
    window: int = 11

    def __post_init__(self) -> None:
        _check_window(self.window)

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W), from 0 to 2. Raises UsageError for images smaller than the window."""
        from harness_losses import similarity

        return 1 - similarity.ssim_map(output, target, self.window).mean(dim=1)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """1 - pytorch_msssim.ssim, to within 1e-5. Raises UsageError for images smaller than the window."""
        from harness_losses import similarity

        return 1 - similarity.ssim(output, target, self.window)


@dataclass
class SSIML1(Loss):
    """weight * (1 - SSIM) + (1 - weight) * absolute difference."""

    name = "ssim_l1"
    licence = "MIT"
    source = "Zhao et al., https://arxiv.org/abs/1511.08861, section III-D, with one scale instead of five"
    mean_of_map = False
    weight: float = 0.84
    window: int = 11

    def __post_init__(self) -> None:
        _check_window(self.window)
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is {self.weight:g}, expected a number from 0 to 1")

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W). Raises UsageError for images smaller than the window."""
        structure = SSIM(self.window).error_map(output, target)
        return self.weight * structure + (1 - self.weight) * L1().error_map(output, target)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The same of the two losses. Raises UsageError for images smaller than the window."""
        return self.weight * SSIM(self.window)(output, target) + (1 - self.weight) * L1()(output, target)


@dataclass
class MSSSIM(Loss):
    """1 - multi-scale structural similarity over five scales, for values in [0, 1].

    The map is the weighted geometric mean of the scales' own maps, enlarged to the image.
    """

    name = "ms_ssim"
    licence = "MIT"
    source = "Wang, Simoncelli and Bovik, https://doi.org/10.1109/ACSSC.2003.1292216"
    mean_of_map = False
    window: int = 11

    def __post_init__(self) -> None:
        _check_window(self.window)

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W), from 0 to 1. Raises UsageError for images too small for five scales."""
        from harness_losses import similarity

        return 1 - similarity.ms_ssim_map(output, target, self.window).mean(dim=1)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """1 - pytorch_msssim.ms_ssim. Raises UsageError for images too small for five scales."""
        from harness_losses import similarity

        return 1 - similarity.ms_ssim(output, target, self.window)


@dataclass
class Perceptual(Loss):
    """The squared distance of two images' features in a frozen timm model, each scaled to unit length.

    The map is the mean over the features, each enlarged to the image.
    """

    name = "perceptual"
    licence = "MIT"
    source = "https://arxiv.org/abs/1603.08155 (Johnson et al.); scaling after https://arxiv.org/abs/1801.03924"
    mean_of_map = False
    pretrained = True
    encoder: str = "vgg16.tv_in1k"
    reductions: tuple[int, ...] = (2, 4, 8)

    def __post_init__(self) -> None:
        self._network: nn.Module | None = None

    def prepare(self, run: Run) -> None:
        """Load the timm model. Raises UnavailableError where its weights are out of reach, UsageError."""
        self._network = Timm(self.encoder).build_pyramid(run, self.reductions).eval().requires_grad_(False)

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W), from 0 to 4."""
        import torch
        from torch.nn.functional import interpolate

        size = output.shape[2:]
        maps = [interpolate(d, size=size, mode="bilinear") for d in self._distances(output, target)]
        return torch.cat(maps, dim=1).mean(dim=1)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean of the features' mean distances."""
        import torch

        return torch.stack([distance.mean() for distance in self._distances(output, target)]).mean()

    def _distances(self, output: Tensor, target: Tensor) -> list[Tensor]:
        """(N, 1, H/r, W/r) for each reduction r."""
        import torch

        if self._network is None:
            raise UsageError("loss 'perceptual' has no network yet: call prepare(run) before using it")
        with torch.no_grad():
            wanted = self._network(target)
        pairs = zip(self._network(output), wanted, strict=True)
        return [(_unit(ours) - _unit(theirs)).square().sum(dim=1, keepdim=True) for ours, theirs in pairs]


def _unit(features: Tensor) -> Tensor:
    """Vectors along dimension 1 scaled to length 1; those near 0 stay near 0, so that gradients stay finite."""
    features = features.float()
    return features * (features.square().sum(dim=1, keepdim=True) + 1e-6).rsqrt()


def _check_window(window: int) -> None:
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window is {window}, expected an odd number of at least 3")
