"""The modules behind the encoders: from images in [0, 1] to feature maps."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import timm
import torch
from torch import Tensor, nn

from harness import Run, UnavailableError, UsageError
from harness_timm.weights import load_published


class ConvPyramid(nn.Module):
    """The paper's encoder: a convolution, max-pooling and ReLU for each width."""

    def __init__(self, widths: tuple[int, ...], reductions: tuple[int, ...]) -> None:
        super().__init__()
        self.reductions = reductions
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip((3, *widths), widths, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] to (N, width, H/r, W/r) for each reduction r."""
        maps, reduction = {1: images}, 1
        for convolution in self.convolutions:
            # ReLU and max-pooling commute, and after the pooling a quarter is left to rectify.
            maps[2 * reduction] = nn.functional.max_pool2d(convolution(maps[reduction]), 2).relu_()
            reduction *= 2
        return [maps[reduction] for reduction in self.reductions]


class ConvNetwork(ConvPyramid):
    """The last of its maps alone."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__(widths, (2 ** len(widths),))
        self.channels, self.reduction = widths[-1], 2 ** len(widths)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction)."""
        return super().forward(images)[0]


class TimmPyramid(nn.Module):
    """A timm model cut off after the deepest map in use; it normalises images as the model was trained to see them."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, run: Run, reductions: tuple[int, ...], **options: Any) -> None:
        super().__init__()
        model, levels = _create(name, run, options)
        if not set(reductions) <= set(levels):
            raise UnavailableError(f"{name} has maps of reductions {_listed(levels)}, not all of {_listed(reductions)}")
        self._cut(model, sorted({levels[reduction] for reduction in reductions}), run)
        self.order = [self.indices.index(levels[reduction]) for reduction in reductions]

    def _cut(self, model: nn.Module, indices: list[int], run: Run) -> None:
        self.indices, self.model = indices, model
        model.prune_intermediate_layers(indices)  # type: ignore[operator]
        configuration = model.pretrained_cfg
        if run.weights == "pretrained":
            load_published(model, configuration, run.weights_dir)  # type: ignore[arg-type]
        for statistic in ("mean", "std"):
            values = torch.tensor(configuration[statistic]).view(1, 3, 1, 1)  # type: ignore[index]
            self.register_buffer(statistic, values, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] to (N, C, H/r, W/r) for each reduction r."""
        maps = self._maps(images)
        return [maps[place] for place in self.order]

    def _maps(self, images: Tensor) -> list[Tensor]:
        normalised = (images - self.mean) / self.std
        maps: list[Tensor] = self.model.forward_intermediates(  # type: ignore[operator]
            normalised, indices=self.indices, output_fmt="NCHW", intermediates_only=True
        )
        return maps


class TimmNetwork(TimmPyramid):
    """One map alone: the deepest of this reduction, or of at most 16 where none is asked for."""

    def __init__(self, name: str, run: Run, reduction: int | None, **options: Any) -> None:
        nn.Module.__init__(self)
        model, levels = _create(name, run, options)
        fitting = [level for level in levels if (level <= 16 if reduction is None else level == reduction)]
        if not fitting:
            asked = "none of at most 16" if reduction is None else f"none of {reduction}"
            raise UsageError(f"{name} has maps of reductions {_listed(levels)}, {asked}")
        self.reduction = max(fitting)
        self.channels: int = model.feature_info[levels[self.reduction]]["num_chs"]  # type: ignore[index,assignment]
        self._cut(model, [levels[self.reduction]], run)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction)."""
        return self._maps(images)[0]


def _create(name: str, run: Run, options: dict[str, Any]) -> tuple[nn.Module, dict[int, int]]:
    """The whole model, and the index of its deepest map of each reduction. Raises UsageError."""
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=1)
        raise UsageError(f"timm knows no model {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    model = timm.create_model(name, num_classes=0, **options)
    levels = {info["reduction"]: index for index, info in enumerate(getattr(model, "feature_info", []))}
    if not levels or not hasattr(model, "prune_intermediate_layers"):
        raise UsageError(f"timm's model {name!r} gives no feature maps: choose one that has features_only")
    return model, levels


def _listed(numbers: dict[int, int] | tuple[int, ...]) -> str:
    return ", ".join(map(str, sorted(numbers)))
