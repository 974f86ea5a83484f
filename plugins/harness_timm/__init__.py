"""Encoders: the paper's own convolutions, VGG16, ResNet50, and any timm model that gives features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Encoder, hookimpl
from harness_timm.encoders import VGG16, Conv, ResNet50, Timm
from harness_timm.foundation import CLIPBase, DINOv2Base, DINOv2Small, DINOv2SmallRegisters, SigLIPBase

if TYPE_CHECKING:
    from harness_timm.fused import fused_on, rectified
    from harness_timm.weights import load_published

__all__ = [
    "VGG16",
    "CLIPBase",
    "Conv",
    "DINOv2Base",
    "DINOv2Small",
    "DINOv2SmallRegisters",
    "ResNet50",
    "SigLIPBase",
    "Timm",
    "fused_on",
    "load_published",
    "rectified",
]


@hookimpl
def harness_encoders() -> list[type[Encoder]]:
    """The encoders of the paper, the one that stands for all of timm, and transformers under short names."""
    return [Conv, VGG16, ResNet50, Timm, DINOv2Small, DINOv2SmallRegisters, DINOv2Base, CLIPBase, SigLIPBase]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for, so that listing parts is fast."""
    if name == "load_published":
        from harness_timm.weights import load_published

        return load_published
    if name in ("fused_on", "rectified"):
        from harness_timm import fused

        return getattr(fused, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
