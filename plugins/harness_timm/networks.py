"""The modules behind timm's encoders: from images in [0, 1] to feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

import timm
import torch
from torch import Tensor, nn

from harness import Run, UnavailableError, UsageError
from harness_timm.stages import sequential_stages
from harness_timm.weights import load_published


class TimmPyramid(nn.Module):
    """A timm model, cut off after the deepest map that is used; it normalises images as in the model's training."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, indices: list[int]) -> None:
        super().__init__()
        self.model, self.indices = model, sorted(set(indices))
        self.reductions = [int(model.feature_info[index]["reduction"]) for index in indices]
        self.order = [self.indices.index(index) for index in indices]
        model.prune_intermediate_layers(self.indices)
        for statistic in ("mean", "std"):
            values = torch.tensor(model.pretrained_cfg[statistic]).view(1, 3, 1, 1)
            self.register_buffer(statistic, values, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] to (N, C, H/r, W/r) for each reduction r."""
        normalised = (images - self.mean) / self.std
        maps = self.model.forward_intermediates(
            normalised, indices=self.indices, output_fmt="NCHW", intermediates_only=True
        )
        return [maps[place] for place in self.order]


class TimmNetwork(TimmPyramid):
    """Only one map of a TimmPyramid."""

    def __init__(self, model: Any, index: int) -> None:
        self.channels: int = model.feature_info[index]["num_chs"]
        self.reduction: int = model.feature_info[index]["reduction"]
        super().__init__(model, [index])

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction)."""
        return super().forward(images)[0]


P = TypeVar("P", bound=TimmPyramid)


def timm_network(name: str, run: Run, reduction: int | None, options: Mapping[str, float]) -> TimmNetwork:
    """The deepest map of this reduction, or of at most 16 where it is None. Raises UsageError, UnavailableError."""
    model = _create(name, run, options)
    levels = _levels(model)
    fitting = [level for level in levels if (level <= 16 if reduction is None else level == reduction)]
    if not fitting:
        asked = "of at most 16" if reduction is None else f"of {reduction}"
        raise UsageError(f"{name} has maps of reductions {_listed(levels)}, none {asked}")
    return _weighted(TimmNetwork(model, levels[max(fitting)]), run)


def timm_pyramid(name: str, run: Run, reductions: tuple[int, ...], options: Mapping[str, float]) -> TimmPyramid:
    """The deepest map of each of these reductions. Raises UsageError, UnavailableError."""
    model = _create(name, run, options)
    levels = _levels(model)
    if not set(reductions) <= set(levels):
        raise UnavailableError(f"{name} has maps of reductions {_listed(levels)}, not all of {_listed(reductions)}")
    return _weighted(TimmPyramid(model, [levels[reduction] for reduction in reductions]), run)


def timm_layer(name: str, run: Run, layer: int) -> TimmNetwork:
    """The map of one layer, counted from 0. Raises UsageError, UnavailableError."""
    model = _create(name, run, {})
    _check_layers(name, model, (layer,))
    return _weighted(TimmNetwork(model, layer), run)


def timm_layers(name: str, run: Run, layers: tuple[int, ...]) -> TimmPyramid:
    """The maps of these layers, counted from 0, in this order. Raises UsageError, UnavailableError."""
    model = _create(name, run, {})
    _check_layers(name, model, layers)
    return _weighted(TimmPyramid(model, list(layers)), run)


def _check_layers(name: str, model: Any, layers: tuple[int, ...]) -> None:
    if max(layers) >= len(model.feature_info):
        had = ", ".join(f"{i} ({info['module']})" for i, info in enumerate(model.feature_info))
        raise UsageError(f"{name} has layers {had}: not all of {_listed(layers)}")


def _levels(model: Any) -> dict[int, int]:
    """The index of the deepest map of each reduction."""
    return {info["reduction"]: index for index, info in enumerate(model.feature_info)}


def _create(name: str, run: Run, options: Mapping[str, float]) -> Any:
    """The whole model, with random weights. Raises UsageError, with the nearest, for an image size it cannot take."""
    known = _known_names()
    if name not in known:
        near = get_close_matches(name, sorted(known), n=1)
        raise UsageError(f"timm knows no model {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    configuration = timm.get_pretrained_cfg(name)
    if configuration is not None and configuration.fixed_input_size:
        model: Any = _of_any_size(name, run, options)
    else:
        model = timm.create_model(name, num_classes=0, **options)  # type: ignore[arg-type]
    if not getattr(model, "feature_info", None):
        raise UsageError(f"timm's model {name!r} gives no feature maps: choose one that has features_only")
    if hasattr(model, "forward_intermediates"):
        return model
    return sequential_stages(name, model)


@cache
def _known_names() -> frozenset[str]:
    """Of all models of timm, without and with the tag of their weights."""
    return frozenset({*timm.list_models(), *timm.list_pretrained()})


def _of_any_size(name: str, run: Run, options: Mapping[str, float]) -> Any:
    """A model made for one image size. Transformers that can, interpolate their published positions to another."""
    for resized in ({"dynamic_img_size": True}, {"img_size": run.image_size}, {}):
        try:
            return timm.create_model(name, num_classes=0, **options, **resized)  # type: ignore[arg-type]
        except TypeError:  # timm's way of saying that a model has no such argument
            continue
    raise UsageError(f"timm cannot make {name!r} for images of {run.image_size} pixels")


def _weighted(pyramid: P, run: Run) -> P:
    if run.weights == "pretrained":
        load_published(pyramid.model, pyramid.model.pretrained_cfg, run.weights_dir)
    return pyramid


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
