"""Encoders: the paper's own convolutions, VGG16, ResNet50, and any timm model that gives features."""

from __future__ import annotations

from harness import Encoder, hookimpl
from harness_timm.encoders import VGG16, Conv, ResNet50, Timm

__all__ = ["VGG16", "Conv", "ResNet50", "Timm"]


@hookimpl
def harness_encoders() -> list[type[Encoder]]:
    """The encoders of the paper, and the one that stands for all of timm."""
    return [Conv, VGG16, ResNet50, Timm]
