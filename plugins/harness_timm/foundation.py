"""Transformers that were trained on many images, under short names and with layers that suit detectors.

They are chosen by name alone: `all` would cross every model with 22 to 87 million weights that have to be fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness_timm.encoders import Layered

HALF_AND_LAST = (7, 11)
"""DINOv2's last block, which AnomalyDINO looks at, and an earlier one that is nearer to the image."""
MIDDLE = (5, 8)
"""The last blocks of CLIP and SigLIP are turned towards words, and lose where things are."""


class Foundation(Layered):
    """Class and register tokens are left out of its maps; its image size must be a multiple of its patch."""

    needs_options: ClassVar[bool] = True


@dataclass
class DINOv2Small(Foundation):
    """DINOv2's ViT-S/14, 384 channels a block: images of 252 or 448 pixels, for instance."""

    name = "dinov2_small"
    source = "https://arxiv.org/abs/2304.07193; weights vit_small_patch14_dinov2.lvd142m, Apache-2.0"
    timm_name = "vit_small_patch14_dinov2.lvd142m"
    reduction = 14
    layers: tuple[int, ...] = HALF_AND_LAST


@dataclass
class DINOv2SmallRegisters(Foundation):
    """The same with four register tokens, which take up what would else disturb the maps."""

    name = "dinov2_small_registers"
    source = "https://arxiv.org/abs/2309.16588; weights vit_small_patch14_reg4_dinov2.lvd142m, Apache-2.0"
    timm_name = "vit_small_patch14_reg4_dinov2.lvd142m"
    reduction = 14
    layers: tuple[int, ...] = HALF_AND_LAST


@dataclass
class DINOv2Base(Foundation):
    """DINOv2's ViT-B/14, 768 channels a block."""

    name = "dinov2_base"
    source = "https://arxiv.org/abs/2304.07193; weights vit_base_patch14_dinov2.lvd142m, Apache-2.0"
    timm_name = "vit_base_patch14_dinov2.lvd142m"
    reduction = 14
    layers: tuple[int, ...] = HALF_AND_LAST


@dataclass
class CLIPBase(Foundation):
    """The image tower of CLIP's ViT-B/16, 768 channels a block."""

    name = "clip_base"
    source = "https://arxiv.org/abs/2103.00020; weights vit_base_patch16_clip_224.openai, MIT"
    timm_name = "vit_base_patch16_clip_224.openai"
    reduction = 16
    layers: tuple[int, ...] = MIDDLE


@dataclass
class SigLIPBase(Foundation):
    """The image tower of SigLIP's ViT-B/16, 768 channels a block."""

    name = "siglip_base"
    source = "https://arxiv.org/abs/2303.15343; weights vit_base_patch16_siglip_224.webli, Apache-2.0"
    timm_name = "vit_base_patch16_siglip_224.webli"
    reduction = 16
    layers: tuple[int, ...] = MIDDLE
