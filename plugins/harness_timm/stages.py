"""Feature maps of models whose layers are one sequence, for versions of timm that give none of them.

Before 1.0.31 that is so of VGG.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from harness import UsageError


class SequentialStages(nn.Module):
    """The layers of a model under the names they have there, without its head, with timm's calls for feature maps."""

    def __init__(self, model: Any, sequence: str) -> None:
        super().__init__()
        self.sequence, self.feature_info = sequence, model.feature_info
        self.pretrained_cfg = model.pretrained_cfg
        self.ends = [int(info["module"].rpartition(".")[2]) for info in model.feature_info]
        setattr(self, sequence, getattr(model, sequence))

    def prune_intermediate_layers(self, indices: list[int]) -> None:
        """Leave out the layers after the last of these maps."""
        setattr(self, self.sequence, getattr(self, self.sequence)[: self.ends[max(indices)] + 1])

    def forward_intermediates(self, images: Tensor, *, indices: list[int], **_: Any) -> list[Tensor]:
        """(N, 3, H, W) to the maps (N, C, h, w) of these indices, in ascending order."""
        wanted, maps = {self.ends[index] for index in indices}, []
        for place, layer in enumerate(getattr(self, self.sequence)):
            images = layer(images)
            if place in wanted:
                maps.append(images)
        return maps


def sequential_stages(name: str, model: Any) -> SequentialStages:
    """Such a model as one that gives feature maps. Raises UsageError where its layers are no sequence."""
    owners = {info["module"].rpartition(".")[0] for info in model.feature_info}
    sequence = owners.pop() if len(owners) == 1 else ""
    if not isinstance(getattr(model, sequence, None) if sequence else None, nn.Sequential):
        import timm

        raise UsageError(
            f"timm {timm.__version__} gives no feature maps of {name!r}: try a later version (pip install -U timm)"
        )
    return SequentialStages(model, sequence)
