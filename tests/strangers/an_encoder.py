"""A stranger's encoders, written against contract 1; one means nothing until it is told its factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness import Encoder, Run, UnavailableError, hookimpl


class StrangerPatches(Encoder):
    """Each 16x16 pixels become the channels of one place."""

    name = "stranger_patches"
    licence = "MIT"
    reduction = 16

    def build(self, run: Run):
        from torch import nn

        module = nn.PixelUnshuffle(16)
        module.channels, module.reduction = 3 * 16 * 16, 16
        return module


@dataclass
class StrangerAny(Encoder):
    """The same for any factor."""

    name = "stranger_any"
    licence = "MIT"
    generic: ClassVar[bool] = True
    factor: int = 0

    def build(self, run: Run):
        from torch import nn

        if not self.factor:
            raise UnavailableError("stranger_any needs a factor: give stranger_any[factor=16]")
        module = nn.PixelUnshuffle(self.factor)
        module.channels, module.reduction = 3 * self.factor**2, self.factor
        return module


@hookimpl
def harness_encoders():
    return [StrangerPatches, StrangerAny]
