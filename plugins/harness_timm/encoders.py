"""The encoders on offer. timm and torch are imported when one is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness import Encoder, Run, UnavailableError, UsageError

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Conv(Encoder):
    """Four 3x3 convolutions with ReLU, each followed by 2x2 max-pooling; it has no published weights."""

    name = "conv"
    licence = "MIT"
    imports = ("harness_timm.conv",)
    source = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data with Autoencoders, 3.3"
    reduction = 16
    widths: tuple[int, ...] = (32, 64, 128, 128)

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise ValueError(f"widths are {self.widths}, expected four positive numbers such as 32-64-128-128")

    def build(self, run: Run) -> nn.Module:
        """A module from (N, 3, H, W) to (N, widths[3], H/16, W/16). Raises UsageError."""
        from harness_timm.conv import ConvNetwork

        _check_divisible(run.image_size, self.reduction, self.name)
        return ConvNetwork(self.widths).to(run.device)

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module to the maps after the poolings. Raises UnavailableError for other reductions, UsageError."""
        from harness_timm.conv import ConvPyramid

        if not set(reductions) <= {2, 4, 8, 16}:
            raise UnavailableError(f"encoder 'conv' has maps of reductions 2, 4, 8 and 16, not all of {reductions}")
        _check_divisible(run.image_size, max(reductions), self.name)
        return ConvPyramid(self.widths, reductions).to(run.device)


class _TimmEncoder(Encoder):
    """One timm model; `timm_name` says which."""

    licence = "Apache-2.0"
    pretrained = True
    imports = ("harness_timm.networks",)
    timm_name: str
    options: ClassVar[Mapping[str, float]] = {}
    """Arguments for timm when it creates the model."""
    single_options: ClassVar[Mapping[str, float]] = {}
    """More such arguments, if one feature map is wanted and no pyramid."""

    def build(self, run: Run) -> nn.Module:
        """A module from (N, 3, H, W) to (N, C, H/reduction, W/reduction). Raises UnavailableError, UsageError."""
        from harness_timm.networks import timm_network

        network = timm_network(self.timm_name, run, self.reduction, {**self.options, **self.single_options})
        _check_divisible(run.image_size, network.reduction, self.timm_name)
        return network.to(run.device)

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module to the model's deepest map of each reduction. Raises UnavailableError, UsageError."""
        from harness_timm.networks import timm_pyramid

        _check_divisible(run.image_size, max(reductions), self.timm_name)
        return timm_pyramid(self.timm_name, run, reductions, self.options).to(run.device)


class VGG16(_TimmEncoder):
    """VGG16's five convolutional blocks without the last max-pooling: 512 channels."""

    name = "vgg16"
    source = "https://arxiv.org/abs/1409.1556; weights vgg16.tv_in1k, BSD-3-Clause"
    timm_name = "vgg16.tv_in1k"
    reduction = 16
    bottleneck = True
    options: ClassVar = {
        "mlp_ratio": 0.001
    }  # the dense layers are removed later; narrow ones save two seconds of creating them


class ResNet50(_TimmEncoder):
    """ResNet50 without its head, the last stage dilated where it was strided: 2048 channels."""

    name = "resnet50"
    source = "https://arxiv.org/abs/1512.03385; weights resnet50.tv_in1k, BSD-3-Clause"
    timm_name = "resnet50.tv_in1k"
    reduction = 16
    single_options: ClassVar = {"output_stride": 16}


class Layered(_TimmEncoder):
    """A timm model of which one may choose the layers. Subclasses are dataclasses with that option."""

    layers: tuple[int, ...] | None = None
    """Blocks or stages whose maps are given, counted from 0, whatever reductions a model asks for."""

    def __post_init__(self) -> None:
        if self.layers is not None and (not self.layers or min(self.layers) < 0):
            raise ValueError(f"layers are {self.layers}, expected numbers from 0 such as 3-7-11, or none")

    def build(self, run: Run) -> nn.Module:
        """A module from (N, 3, H, W) to (N, C, H/reduction, W/reduction), of the deepest of `layers` if given."""
        if self.layers is None:
            return super().build(run)
        from harness_timm.networks import timm_layer

        network = timm_layer(self.timm_name, run, max(self.layers))
        _check_divisible(run.image_size, network.reduction, self.timm_name)
        return network.to(run.device)

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module to the maps of `layers` if given, else to the deepest of each reduction."""
        if self.layers is None:
            return super().build_pyramid(run, reductions)
        from harness_timm.networks import timm_layers

        network = timm_layers(self.timm_name, run, self.layers)
        _check_divisible(run.image_size, max(network.reductions), self.timm_name)
        return network.to(run.device)


@dataclass
class Timm(Layered):
    """Any timm model that gives features, at its deepest feature of this reduction, or of at most 16."""

    needs_options: ClassVar[bool] = True
    source = "https://github.com/huggingface/pytorch-image-models; weights have licences of their own"
    # The option has the same name as the attribute of the part: the class says `timm`, an instance the model's name.
    name: str = "timm"  # type: ignore[misc]
    reduction: int | None = None
    layers: tuple[int, ...] | None = None
    """Blocks or stages whose maps are given, counted from 0, whatever reductions a model asks for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None and self.reduction is not None:
            raise ValueError(f"layers are {self.layers} and reduction {self.reduction}: expected one of the two")

    @property
    def timm_name(self) -> str:  # type: ignore[override]
        """The model's name. Raises UsageError where none was given."""
        if self.name == type(self).name:
            raise UsageError("encoder 'timm' needs a model's name, as in timm[name=resnet18]")
        return self.name


def _check_divisible(image_size: int, reduction: int, name: str) -> None:
    if image_size % reduction:
        near = max(reduction, (image_size + (reduction - 1) // 2) // reduction * reduction)
        raise UsageError(f"image size {image_size} is not a multiple of {reduction}, which {name} needs: try {near}")
